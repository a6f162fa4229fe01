"""Server-sent events come whole, whatever ends their lines and wherever the network cuts them (WHATWG HTML §9.2.6)."""

import pytest

from traffic.llm.events import Event, sse_events

STREAM = (
    b": hello\nevent: a\nid: 1\ndata: one\n\ndata:two\ndata: three\ndata\n\nretry: 5\n\nid: 2\ndata:  four \xc3\xbc\n\n"
)
EVENTS = [
    Event(b"one", "a", "1"),
    Event(b"two\nthree\n", None, "1"),
    Event(" four ü".encode(), None, "2"),
]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_lines_end_in_any_of_three_ways(line_end: bytes, start: bytes) -> None:
    assert list(sse_events(start + STREAM.replace(b"\n", line_end), [])) == EVENTS


def test_lines_may_end_in_different_ways() -> None:
    assert list(sse_events(b"data: a\r\ndata: b\ndata: c\r\r\ndata: d\n\n", [])) == [Event(b"a\nb\nc"), Event(b"d")]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_cut_anywhere_the_events_before_the_cut_come_and_one_is_marked(line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end)
    for length in range(len(stream)):
        events = list(sse_events(stream[:length], []))
        whole = [event for event in events if event.is_whole]
        assert whole == EVENTS[: len(whole)]
        assert [event.is_whole for event in events] == [True] * len(whole) + [False] * (len(events) - len(whole))
        assert all(EVENTS[len(whole)].data.startswith(event.data.rstrip(b"\n")) for event in events[len(whole) :])
    assert list(sse_events(stream, [])) == EVENTS


def test_an_event_arrives_with_the_end_of_its_empty_line() -> None:
    events = list(sse_events(b"data: a\n\ndata: b\n\ndata: c", [(0, 1.0), (8, 2.0), (12, 3.0), (19, 4.0)]))
    assert [event.at_ms for event in events] == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"data", b"event: a\n\n", b": comment\n\n", b"x" * 100_000])
def test_without_data_there_is_no_event(content: bytes) -> None:
    assert list(sse_events(content, [])) == []
