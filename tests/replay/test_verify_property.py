"""Whatever the store makes verifies, however its bytes came; and no flipped byte of a recording goes unseen."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from replay.verify import verify
from tests.ingest_server.recorder_side import JOURNAL, closed, finished, request, response, started
from traffic.capture.events import ExchangeError

CUT = ExchangeError("upstream_reset", "response_body", "upstream", "the upstream reset its connection")


def with_length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def in_chunks(body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7))
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


bodies = st.binary(max_size=200)
framed = st.builds(lambda frame, body: frame(body), st.sampled_from([with_length, in_chunks]), bodies)
requests = framed.map(lambda rest: b"POST /v1/x HTTP/1.1\r\nHost: x\r\n" + rest)
final = framed | bodies.map(lambda body: b"\r\n" + body)
responses = st.builds(
    lambda interim, rest: b"HTTP/1.1 100 Continue\r\n\r\n" * interim + b"HTTP/1.1 200 OK\r\n" + rest,
    st.integers(0, 2),
    final,
)


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> bytes:
    """The frames of one, complete or cut anywhere, its bytes in pieces of any size."""
    sent, got = draw(requests), draw(responses)
    is_cut = draw(st.booleans())
    if is_cut:
        got = got[: draw(st.integers(0, len(got)))]
    size = draw(st.integers(1, 300))
    frames = [request(number, sent[at : at + size], at) for at in range(0, len(sent), size)]
    frames += [response(number, got[at : at + size], at) for at in range(0, len(got), size)]
    error = CUT if is_cut else None
    end = finished(number, request_bytes=len(sent), response_bytes=len(got), error=error)
    return b"".join([started(number), *frames, end])


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 4000))
def test_what_the_store_makes_verifies_and_any_flipped_byte_is_found(
    data: st.DataObject, count: int, step: int
) -> None:
    journal = b"".join(data.draw(exchanges(number)) for number in range(1, count + 1)) + closed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(IngestSettings(log_dir=folder))
        at = end = 0
        while at < len(journal):
            end = min(end + step, len(journal))
            at = store.apply(JOURNAL, at, [journal[at:end]]).next
            store.settle(flush=data.draw(st.booleans()))
        store.settle(flush=True)
        report = verify(folder)
        assert (report.exchanges, report.faults) == (count, ())
        damaged = data.draw(st.sampled_from(sorted(path for path in folder.glob("*.bin") if path.stat().st_size)))
        content = bytearray(damaged.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        damaged.write_bytes(content)
        assert [fault.file for fault in verify(folder).faults] == [damaged.name]
