"""Streams are cut into events as the standard says, wherever the network cut them; JSON lists: test_list_events.py."""

import json

import pytest

from traffic.llm import events
from traffic.llm.events import Event, ndjson_events, sse_events

# WHATWG HTML §9.2.6, with its own examples first: (content, [(data, event, id)])
STREAMS: list[tuple[bytes, list[tuple[bytes, str | None, str | None]]]] = [
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [(b"YHOO\n+2\n10", None, None)]),
    (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [(b"first event", None, "1"), (b"second event", None, ""), (b" third event", None, "")],
    ),
    (b"data\n\ndata\ndata\n\ndata:\n\n", [(b"", None, None), (b"\n", None, None), (b"", None, None)]),
    (b"data:test\n\ndata: test\n\n", [(b"test", None, None), (b"test", None, None)]),
    (b"event: add\ndata: 1\n\ndata: 2\n\n", [(b"1", "add", None), (b"2", None, None)]),
    (b"event: no data\n\ndata: 1\n\n", [(b"1", None, None)]),
    (b"id: 7\n\ndata: 1\n\ndata: 2\n\n", [(b"1", None, "7"), (b"2", None, "7")]),
    (b"id: a\0b\ndata: 1\n\n", [(b"1", None, None)]),
    (b"\xef\xbb\xbfdata: 1\n\n", [(b"1", None, None)]),
    (b"retry: 10\nnonsense\n: OPENROUTER PROCESSING\ndata: 1\n\n", [(b"1", None, None)]),
    (b"data: a:b: c\n\n", [(b"a:b: c", None, None)]),
    ("data: é\nevent: ü\n\n".encode(), [("é".encode(), "ü", None)]),
    (b"", []),
    (b"\n\n\n", []),
]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(("content", "expected"), STREAMS)
def test_events_are_those_of_the_standard(
    content: bytes, expected: list[tuple[bytes, str | None, str | None]], line_end: bytes
) -> None:
    found = list(sse_events(content.replace(b"\n", line_end), []))
    assert [(event.data, event.name, event.id) for event in found] == expected
    assert all(event.is_whole for event in found)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_cut_stream_has_its_whole_events_and_the_beginning_of_the_next(line_end: bytes) -> None:
    content = b"event: a\ndata: one\ndata: more\n\ndata: two\n\n".replace(b"\n", line_end)
    whole = list(sse_events(content, []))
    for length in range(len(content)):
        found = list(sse_events(content[:length], []))
        complete = [event for event in found if event.is_whole]
        assert complete == whole[: len(complete)]
        assert len(found) - len(complete) <= 1
        for event in found[len(complete) :]:
            assert whole[len(complete)].data.startswith(event.data.removesuffix(b"\n"))


def test_line_ends_may_be_mixed() -> None:
    assert [event.data for event in sse_events(b"data: 1\r\ndata: 2\rdata: 3\n\r\ndata: 4\r\r\n", [])] == [
        b"1\n2\n3",
        b"4",
    ]


def test_an_event_has_the_time_of_the_byte_that_ended_it() -> None:
    content = b"data: 1\n\ndata: 2\n\ndata: 3"
    marks = [(0, 1.0), (8, 2.0), (10, 3.0), (17, 4.0), (20, 5.0)]
    assert [event.at_ms for event in sse_events(content, marks)] == [2.0, 4.0, 5.0]
    assert [event.at_ms for event in sse_events(content, [(9, 1.0)])] == [None, 1.0, 1.0]
    assert [event.at_ms for event in ndjson_events(b"1\n2\n3", [(0, 1.0), (3, 2.0)])] == [1.0, 2.0, 2.0]


def test_lines_are_documents_and_the_last_may_lack_its_end() -> None:
    content = b'{"a": 1}\r\n\n  {"b": 2} \n{"c": 3}'
    assert [(event.document(), event.is_whole) for event in ndjson_events(content, [])] == [
        ({"a": 1}, True),
        ({"b": 2}, True),
        ({"c": 3}, True),
    ]
    *_, last = ndjson_events(content[:-1], [])
    assert last == Event(b'{"c": 3', is_whole=False)


def test_more_lines_than_an_answer_has_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LINES_MAX", 4)
    assert [event.data for event in sse_events(b"data: 1\n\ndata: 2\n\ndata: 3\n\n", [])][:2] == [b"1", b"2"]
    assert list(sse_events(b":\n" * 100, [])) == []


def test_a_document_is_read_from_an_events_data() -> None:
    assert Event(json.dumps({"a": 1}).encode()).document() == {"a": 1}
