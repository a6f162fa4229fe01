"""What changes the head that the upstream sees: two options, and the line by which a replay names its original. Without
them only target and Host are edited.
"""

import pytest

from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok

GET = b"GET /lm/x HTTP/1.1\r\nHost: recorder.test\r\nAccept: */*\r\n\r\n"


@pytest.mark.parametrize("preserve_host", [False, True])
async def test_the_upstream_gets_its_own_host_or_the_clients_and_the_metadata_keep_the_clients(
    flight: Flight, preserve_host: bool
) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port, preserve_host=preserve_host))
        await flight.send(GET)
        (record,) = await flight.land()
        host = b"recorder.test" if preserve_host else b"127.0.0.1:%d" % upstream.port
        assert upstream.peers[0].received == b"GET /x HTTP/1.1\r\nHost: %b\r\nAccept: */*\r\n\r\n" % host
    assert record.sent_request == upstream.peers[0].received
    assert record.metadata["received"]["host"] == "recorder.test"


async def test_via_is_added_in_both_directions_where_it_is_asked_for(flight: Flight) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port, preserve_host=True), via=True)
        answer, _ = await flight.send(GET)
        (record,) = await flight.land()
        seen = bytes(upstream.peers[0].received)
    assert seen == b"GET /x HTTP/1.1\r\nHost: recorder.test\r\nAccept: */*\r\nVia: 1.1 recorder\r\n\r\n"
    assert answer == ok(b"fine", b"Via: 1.1 recorder")
    assert record.sent_request == seen
    assert record.response == ok()  # as the upstream sent it


@pytest.mark.parametrize(
    ("said", "replay_of"),
    [
        (b"1e0f7a3c-0000-4000-8000-5a6b7c8d9e0f", "1e0f7a3c-0000-4000-8000-5a6b7c8d9e0f"),
        (b"1E0F7A3C-0000-4000-8000-5A6B7C8D9E0F", None),
        (b"last", None),
    ],
)
async def test_the_metadata_tell_which_exchange_a_request_repeats_and_the_upstream_hears_nothing_of_it(
    flight: Flight, said: bytes, replay_of: str | None
) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port, preserve_host=True))
        await flight.send(GET.replace(b"Accept", b"X-Replay-Of: %b\r\nAccept" % said))
        await flight.send(GET)
        first, second = await flight.land()
        assert upstream.peers[0].received == GET.replace(b"/lm/x", b"/x") * 2
    assert first.sent_request == GET.replace(b"/lm/x", b"/x")
    assert first.metadata["received"]["removed"] == [["X-Replay-Of", said.decode()]]
    assert (first.metadata["replay_of"], second.metadata["replay_of"]) == (replay_of, None)
