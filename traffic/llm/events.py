"""Cuts a streamed answer into its events: server-sent events (WHATWG HTML §9.2.6), lines of JSON, or the elements of
one JSON list.

The content may be cut anywhere: an event without its end is given all the same, marked `is_whole=False`. Called by
decode.py and by what shows a stream's events.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from traffic.llm.documents import read_document, takes_too_much

EVENTS_MAX: Final = 250_000  # of a stream that is decoded: twice as many as the tokens of the longest answers
_LINES_MAX: Final = 4 * EVENTS_MAX  # of server-sent events; what is behind is not looked at
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_LINE_FEED: Final = re.compile(rb"\n")  # found seven times as fast, and nearly all streams have only these
_ELEMENT_START: Final = re.compile(r"[^ \t\r\n,]")
_SCANNER: Final = json.JSONDecoder()  # of the standard library: it says where a value ends

Marks = list[tuple[int, float]]  # (offset in the content from which on bytes came at that time, ms): rising


class Event(NamedTuple):
    data: bytes
    name: str | None = None  # the `event:` field
    id: str | None = None
    at_ms: float | None = None  # when its last byte arrived, since the exchange's start
    is_whole: bool = True

    def document(self) -> Any:
        """The data as JSON; raises ValueError, or RecursionError where it is nested too deeply."""
        return read_document(self.data)


def sse_events(content: bytes, marks: Marks) -> Iterator[Event]:
    clock = _clock(marks)
    data: list[bytes] = []
    name: str | None = None
    event_id: str | None = None
    start = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    line_end = _LINE_END if b"\r" in content else _LINE_FEED
    for match in islice(line_end.finditer(content, start), _LINES_MAX):
        line, start = content[start : match.start()], match.end()
        if not line:
            if data:
                yield Event(b"\n".join(data), name, event_id, clock(match.start()))
            data, name = [], None
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            event_id = value.decode("utf-8", "replace")
    rest = content[start:]
    if rest.startswith(b"data:"):
        data.append(rest[5:].removeprefix(b" "))
    if data:
        yield Event(b"\n".join(data), name, event_id, clock(len(content) - 1), is_whole=False)


def ndjson_events(content: bytes, marks: Marks) -> Iterator[Event]:
    clock = _clock(marks)
    start = 0
    while (end := content.find(b"\n", start)) >= 0:
        line = content[start:end].strip()
        if line:
            yield Event(line, at_ms=clock(end))
        start = end + 1
    rest = content[start:].strip()
    if rest:
        yield Event(rest, at_ms=clock(len(content) - 1), is_whole=_is_json(rest))


def list_events(content: bytes, marks: Marks) -> Iterator[Event]:
    clock = _clock(marks)
    if takes_too_much(content):
        yield Event(content, at_ms=clock(len(content) - 1))  # reading it tells why it is not
        return
    characters = content.decode("latin-1")  # a character a byte; of JSON's structure all are ASCII
    place = content.find(b"[") + 1
    while match := _ELEMENT_START.search(characters, place):
        start = match.start()
        if characters[start] == "]":
            return
        try:
            _, place = _SCANNER.raw_decode(characters, start)
        except (ValueError, RecursionError):
            yield Event(content[start:], at_ms=clock(len(content) - 1), is_whole=False)
            return
        yield Event(content[start:place], at_ms=clock(place - 1))


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return False
    return True


def _clock(marks: Marks) -> Callable[[int], float | None]:
    """When the byte at an offset arrived."""
    offsets = [offset for offset, _ in marks]

    def at(offset: int) -> float | None:
        place = bisect_right(offsets, offset) - 1
        return marks[place][1] if place >= 0 else None

    return at
