import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.json_diff import Change, json_changes
from replay.json_path import place_text

MESSAGES = [{"role": "user", "content": word} for word in "abc"]

VECTOR = r"[0.5, 0.5, 0.5, \u2026 40 numbers, hash "


@pytest.mark.parametrize(
    ("a", "b", "changes"),
    [
        ({"x": 1}, {"x": 1.0}, []),
        ({"x": 1}, {"x": True}, ["changed x: 1 -> true"]),
        ({"x": 1}, {"x": "1"}, ['changed x: 1 -> "1"']),
        ({"x": None}, {}, ["removed x: null -> null"]),
        ({"__x": 1}, {"__x": 2}, ["changed __x: 1 -> 2"]),
        ([], {}, ["changed $: [] -> {}"]),
        ("a", "b", ['changed $: "a" -> "b"']),
        ([1, 2, 3], [1, 3], ["removed [1]: 2 -> null"]),
        ([1, 3], [1, 2, 3], ["added [1]: null -> 2"]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, ["changed a.b[0].c: 1 -> 2"]),
        (MESSAGES, [{"role": "system", "content": "s"}, *MESSAGES], [
            'added [0]: null -> {"role": "system", "content": "s"}',
        ]),
        (MESSAGES, [*MESSAGES, {"role": "user", "content": "d"}], [
            'added [3]: null -> {"role": "user", "content": "d"}',
        ]),
        (MESSAGES, [MESSAGES[0], {"role": "user", "content": "B"}, MESSAGES[2]], ['changed [1].content: "b" -> "B"']),
        ([0.5] * 40, [0.5] * 39 + [0.25], [
            f'changed $: "{VECTOR}df5414bc]" -> "{VECTOR}840db69c]"',
        ]),
    ],
)  # fmt: skip
def test_each_difference_is_told_once_at_its_place(a: Any, b: Any, changes: list[str]) -> None:
    def told(change: Change) -> str:
        return f"{change.kind} {place_text(change.place)}: {json.dumps(change.a)} -> {json.dumps(change.b)}"

    assert [told(change) for change in json_changes(a, b)] == changes


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b c"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["x", "y", "a b"]), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(_JSON, _JSON)
def test_there_is_a_difference_just_where_the_documents_are_not_the_same(a: Any, b: Any) -> None:
    def spelled(document: Any) -> str:
        return json.dumps(document, sort_keys=True)

    assert json_changes(a, a) == []
    assert (json_changes(a, b) == []) == (spelled(a) == spelled(b))
    for change in json_changes(a, b):
        for document, value, is_there in ((a, change.a, change.kind != "added"), (b, change.b, change.kind == "added")):
            if is_there:
                assert _at(document, change) == value


def _at(document: Any, change: Change) -> Any:
    for part in change.place:
        document = document[part]
    return document


def test_long_lists_are_compared_element_by_element() -> None:
    a = [str(number) for number in range(2_000)]
    b = [*a[:1_500], "other", *a[1_501:]]
    assert json_changes(a, b) == [Change((1_500,), "changed", "1500", "other")]
