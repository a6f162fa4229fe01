"""What is fuzzed: each target takes any bytes, and raises where a promise does not hold. No atheris here: the same
functions run over the seeds and over what was found once, in `make test`.

    request    whole and in pieces the same messages; h11 finds the same ends, methods and bodies
    response   the same, for the response to one request
    frames     whole and in pieces the same frames; encoded again they are the same bytes
    journal    a segment of any bytes is recovered: whole frames stay, a torn tail goes, and appending goes on
    metadata   decoders raise their own errors alone; heads of any bytes are shown, and lose their secrets once
    llm        any two files of an exchange are decoded without an error, to a call that can be written and read again
"""

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from ingest_server import sidecar
from recorder.capture.journal import Journal
from tests.attack.strict import Message, read_request, read_response
from tests.traffic.llm.seeds import SEEDS, files
from traffic.capture import events, metadata
from traffic.capture.exchange import RecordedExchange
from traffic.capture.frames import Frame, FrameDecoder, FrameError, Kind, encode_frame
from traffic.capture.redact import Redactor, Side
from traffic.http1.content import read_chunked, read_compressed
from traffic.http1.framing import ChunkedBody, FramingError
from traffic.http1.head import HeadError, RequestHead, ResponseHead
from traffic.http1.message import END, RequestReader, ResponseReader
from traffic.llm.call import LlmCall
from traffic.llm.decode import Decoder
from traffic.llm.dialects import BUILT_IN
from traffic.llm.sessions import session_facts

JOURNAL_ID = "00000000-0000-4000-8000-000000000000"
LLM_SEPARATOR = b"\0\1\2\3"
_FACTS = files(*SEEDS[0]).metadata
_DECODER = Decoder(BUILT_IN, {"m": {"input": 1, "output": 2}})
_METHODS = ("GET", "HEAD", "POST")
_DECODERS = (
    metadata.decode,
    events.decode_started,
    events.decode_finished,
    events.decode_gap,
    sidecar.decode_opened,
    sidecar.decode_progress,
    sidecar.decode_half,
)
_REDACTOR = Redactor(b"k" * 32)


def fuzz_request(data: bytes) -> None:
    """The first byte tells the length of the pieces."""
    step, stream = _step(data), data[1:]
    whole, is_refused = _read_requests(stream, max(1, len(stream)))
    assert (whole, is_refused) == _read_requests(stream, step)
    for raw in whole:
        message = read_request(raw)
        assert message is not None, "h11 misses the message's end"
        assert message.raw == raw, "h11 finds another end"
        _check_content(raw, message)


def fuzz_response(data: bytes) -> None:
    """The first byte tells the length of the pieces, and the method that is answered."""
    step, method, stream = _step(data), _METHODS[data[0] % 3] if data else "GET", data[1:]
    found = _read_response(stream, method, max(1, len(stream)))
    assert found == _read_response(stream, method, step)
    if found is None:
        return
    raw = found
    message = read_response(raw, method)
    assert message is not None, "h11 misses the message's end"
    assert message.raw == raw, "h11 finds another end"


def fuzz_frames(data: bytes) -> None:
    step, stream = _step(data), data[1:]
    whole, consumed = _decode(stream, max(1, len(stream)))
    assert (whole, consumed) == _decode(stream, step)
    assert b"".join(map(_encode, whole)) == stream[:consumed]


def fuzz_journal(data: bytes) -> None:
    folder = _scratch()
    for left in folder.iterdir():
        left.unlink()
    segment = folder / f"{0:020d}.seg"
    segment.write_bytes(data)
    _, consumed = _decode(data, max(1, len(data)))
    journal, again = Journal(folder), Journal(folder)
    journal.recover()
    end = journal.end
    assert consumed <= end <= len(data), "whole frames were cut off"
    assert segment.read_bytes() == data[:end]
    again.recover()
    assert (again.end, again.is_closed) == (end, journal.is_closed), "recovering twice is not recovering once"
    again.is_closed = False
    again.close("recorder_crash")
    closed = b"".join(encode_frame(Kind.CLOSED, 0, 0, 0, [b"recorder_crash"]))
    assert (folder / f"{end:020d}.seg").read_bytes() == closed


def fuzz_metadata(data: bytes) -> None:
    for decode in _DECODERS:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            decode(data)
    metadata.request_headers(data)
    metadata.response_status(data)
    sides: tuple[Side, ...] = ("request", "response")
    for side in sides:
        shown, _ = _REDACTOR.head(data, side)
        assert _REDACTOR.head(shown, side)[0] == shown
    for coding in ("gzip", "deflate", "br", "zstd"):
        assert len(read_compressed(data, coding, 100_000).data) <= 100_000


def fuzz_llm(data: bytes) -> None:
    """Between the request's file and the response's: four bytes that neither has."""
    request, _, response = data.partition(LLM_SEPARATOR)
    decoded = _DECODER.decode(RecordedExchange(_FACTS, request, response))
    if decoded is not None:
        assert msgspec.json.decode(msgspec.json.encode(decoded.call), type=LlmCall).dialect == decoded.call.dialect
        session_facts(decoded.call)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "request": fuzz_request,
    "response": fuzz_response,
    "frames": fuzz_frames,
    "journal": fuzz_journal,
    "metadata": fuzz_metadata,
    "llm": fuzz_llm,
}


def _step(data: bytes) -> int:
    return data[0] % 7 + 1 if data else 1


def _read_requests(stream: bytes, step: int) -> tuple[list[bytes], bool]:
    """The whole messages, and whether something was refused behind them."""
    reader, messages, message = RequestReader(), list[bytes](), b""
    try:
        for piece in _pieces(stream, step):
            received = reader.feed(piece)
            while received:
                for event in received:
                    message += event.raw if isinstance(event, RequestHead) else b"" if event is END else event
                if received[-1] is not END:
                    break
                messages.append(message)
                message = b""
                received = reader.next_message()
    except (HeadError, FramingError):
        return messages, True
    return messages, False


def _read_response(stream: bytes, method: str, step: int) -> bytes | None:
    """The whole response, interim ones before it included; None: refused, or not whole."""
    reader, message = ResponseReader(method), b""
    try:
        for piece in _pieces(stream, step):
            for event in reader.feed(piece):
                message += event.raw if isinstance(event, ResponseHead) else b"" if event is END else event
                if isinstance(event, ResponseHead) and event.status == 101:
                    return None  # a tunnel: what follows is no HTTP
    except (HeadError, FramingError):
        return None
    reader.eof()
    return message if reader.is_over else None


def _check_content(raw: bytes, message: Message) -> None:
    head, _, body = raw.partition(b"\r\n\r\n")
    chunks = ChunkedBody()
    if b"chunked" not in head.lower():
        return
    with contextlib.suppress(FramingError):
        if chunks.feed(body, 0) == len(body) and chunks.done and (b"transfer-encoding", b"chunked") in message.fields:
            assert read_chunked(body).data == message.content, "readers of recordings see another body"


def _decode(stream: bytes, step: int) -> tuple[list[Frame], int]:
    decoder, frames = FrameDecoder(), list[Frame]()
    with contextlib.suppress(FrameError):
        for piece in _pieces(stream, step):
            for frame in decoder.feed(piece):
                frames.append(frame)
    return frames, decoder.consumed


def _encode(frame: Frame) -> bytes:
    return b"".join(encode_frame(frame.kind, frame.number, frame.offset, frame.at_us, [bytes(frame.payload)]))


def _pieces(stream: bytes, step: int) -> Iterator[bytes]:
    return (stream[start : start + step] for start in range(0, len(stream), step))


@cache
def _scratch() -> Path:
    """A journal's folder, in memory where the system has such a place; the next input clears it."""
    memory = Path("/dev/shm")
    place = tempfile.mkdtemp(dir=memory if memory.is_dir() else None)
    atexit.register(shutil.rmtree, place)
    folder = Path(place) / JOURNAL_ID
    folder.mkdir()
    return folder
