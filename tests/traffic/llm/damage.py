"""JSON that is nearly what a dialect expects, or nothing like it: none may make it fail. Called by their tests."""

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from traffic.llm.dialect import Dialect, RequestView
from traffic.llm.events import Event


def event(document: Any) -> Event:
    return Event(json.dumps(document).encode())


def read_anything(dialect: Dialect, path: str, documents: list[Any], data: st.DataObject) -> None:
    """Let the dialect read some as requests, answers and events. `documents`: of each kind, what it does expect."""
    anything = shapeless(documents)
    reader = dialect.stream()
    for document in data.draw(st.lists(anything | _damaged(documents, anything), min_size=1, max_size=4)):
        request = RequestView("POST", path, {}, {}, document)
        dialect.matches(request)
        dialect.asked(request)
        dialect.answered(document)
        with contextlib.suppress(ValueError):  # it makes a problem of the call
            reader.feed(event(document))
        reader.answered()


def shapeless(documents: list[Any]) -> st.SearchStrategy[Any]:
    """JSON in the documents' words."""
    words = st.sampled_from(sorted(set(_words(documents))))
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | words
        | st.just(""),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6),
        max_leaves=20,
    )


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value:
            yield from _words(each)
        if isinstance(value, dict):
            yield from _words(list(value.values()))


@st.composite
def _damaged(draw: st.DrawFn, documents: list[Any], anything: st.SearchStrategy[Any]) -> Any:
    """One of the documents, with some places in it replaced by anything."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        place = document
        while True:
            key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
                break
            place = place[key]
        place[key] = draw(anything)
    return document
