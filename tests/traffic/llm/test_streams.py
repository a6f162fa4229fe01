"""Which answers are streams of events, as far as their type, their beginning and their URL tell."""

import msgspec
import pytest

from tests.traffic.llm.example import Example, raw
from traffic.capture.recording import read_recording
from traffic.llm.streams import stream_of


@pytest.mark.parametrize(
    ("content_type", "content", "path", "framing", "events"),
    [
        ("text/event-stream", b": nothing yet\n\ndata: 1\n\n", "/any", "sse", [b"1"]),
        ("text/plain; charset=utf-8", b"data: 1\n\ndata: [DONE]\n\n", "/any", "sse", [b"1", b"[DONE]"]),
        ("application/json", b'event: x\ndata: {"a": 1}\n\n', "/any", "sse", [b'{"a": 1}']),
        ("application/x-ndjson", b"1\n2\n", "/any", "ndjson", [b"1", b"2"]),
        ("application/json", b"[1,\n2]", "/models/m:streamGenerateContent", "list", [b"1", b"2"]),
        ("application/json", b"[1,\n2]", "/any", None, []),
        ("text/plain", b"data:image/png;base64,AAAA", "/any", None, []),
        ("text/html", b"<p>data: 1", "/any", None, []),
    ],
)
def test_a_stream_shows_by_its_type_or_its_beginning(
    content_type: str, content: bytes, path: str, framing: str | None, events: list[bytes]
) -> None:
    recorded = raw(Example(path, {}, content, content_type))
    found = stream_of(recorded.metadata, read_recording(recorded.response))
    assert (found and found.framing, [event.data for event in found.events] if found else []) == (framing, events)


def test_each_event_has_its_time() -> None:
    recorded = raw(Example("/any", {}, b"data: 1\n\ndata: 2\n\n", "text/plain"), block_bytes=9)
    found = stream_of(recorded.metadata, read_recording(recorded.response))
    assert found is not None
    assert [event.at_ms for event in found.events] == [2.0, 3.0]
    untimed = msgspec.structs.replace(recorded.metadata.response, arrivals=[])
    nowhere = stream_of(msgspec.structs.replace(recorded.metadata, response=untimed), read_recording(recorded.response))
    assert nowhere is not None
    assert [event.at_ms for event in nowhere.events] == [None, None]
