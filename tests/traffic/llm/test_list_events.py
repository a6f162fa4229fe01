"""A list of JSON is cut into its elements, wherever it ends."""

import json
from typing import Any

import pytest

from traffic.llm.events import Event, list_events

ELEMENTS: list[Any] = [{"a": '"]},{ \\"ü'}, [1, [2]], "x", None, {"b": {"c": []}}]


@pytest.mark.parametrize("indent", [None, 2])
def test_each_element_comes_when_its_last_byte_did(indent: int | None) -> None:
    content = json.dumps(ELEMENTS, indent=indent, ensure_ascii=False).encode()
    events = list(list_events(content, [(offset, float(offset)) for offset in range(len(content))]))
    assert [event.document() for event in events] == ELEMENTS
    assert all(event.is_whole for event in events)
    for event in events:
        assert event.at_ms is not None
        assert content[: int(event.at_ms) + 1].endswith(event.data)


def test_cut_anywhere_the_elements_before_the_cut_come_and_the_rest_is_marked() -> None:
    content = json.dumps(ELEMENTS, ensure_ascii=False).encode()
    for length in range(len(content)):
        events = list(list_events(content[:length], []))
        whole = [event.document() for event in events if event.is_whole]
        assert whole == ELEMENTS[: len(whole)]
        assert [event.is_whole for event in events] == [True] * len(whole) + [False] * (len(events) - len(whole))
        assert len(events) - len(whole) <= 1


@pytest.mark.parametrize(
    ("content", "events"),
    [
        (b"[]", []),
        (b"[", []),
        (b"[\n\n, ,", []),
        (b"[{}]{}", [Event(b"{}")]),
        (b'[{"a":}, {}]', [Event(b'{"a":}, {}]', is_whole=False)]),
        (b'["\xff"]', [Event(b'"\xff"')]),
        (b"[" * 100_000, [Event(b"[" * 99_999, is_whole=False)]),
    ],
)
def test_what_is_no_json_ends_it(content: bytes, events: list[Event]) -> None:
    assert list(list_events(content, [])) == events
