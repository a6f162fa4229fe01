import json
from copy import deepcopy
from typing import Any

import pytest

from replay.json_path import DEPTH_MAX, JsonPathError, parse, place_text

BODY: dict[str, Any] = {
    "id": 1,
    "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "tags": [1, 2]}],
    "metadata": {"id": 2, "a b": 3},
}
EXAMPLE = "a path is like model, messages[-1].content, choices[*].message or ..id"


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("id", [1]),
        ("$.id", [1]),
        (" id ", [1]),
        ("messages[-1].content", ["b"]),
        ("messages[*].content", ["a", "b"]),
        ("messages[0]['role','content']", ["user", "a"]),
        ("messages[?@.role == 'user'].content", ["a"]),
        ("['metadata']['a b']", [3]),
        ("..id", [1, 2]),
        ("messages[9]", []),
        ("metadata.id.no", []),
    ],
)
def test_a_path_finds_what_it_names_with_and_without_the_dollar(path: str, values: list[Any]) -> None:
    assert [found.value for found in parse(path).find(BODY)] == values


@pytest.mark.parametrize("document", [None, 1, "text", '{"id": 1}', True])
def test_what_is_no_object_and_no_list_has_no_parts(document: Any) -> None:
    assert parse("..id").find(document) == []
    parse("..id").mask(document)


def test_a_place_is_told_as_a_path_that_meets_just_it() -> None:
    places = [found.place for found in parse("$..*").find(BODY)]
    assert [place_text(place) for place in places if "a b" in place] == ["metadata['a b']"]
    for place in places:
        assert [found.place for found in parse(place_text(place)).find(BODY)] == [place]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "'' is no JSON path that names a part of a body"),
        ("$", "'$' is no JSON path that names a part of a body"),
        ("messages[", "'messages[' is no JSON path: unexpected end of query"),
        ("a b", "'a b' is no JSON path: unexpected token 'b'"),
        ("a..", "'a..' is no JSON path: expected a shorthand selector"),
    ],
)
def test_what_is_no_path_is_refused_with_an_example(path: str, problem: str) -> None:
    with pytest.raises(JsonPathError) as caught:
        parse(path)
    assert str(caught.value) == f"{problem}{';' if 'JSON path: ' in problem else ':'} {EXAMPLE}"


@pytest.mark.parametrize(
    ("path", "where", "expected"),
    [
        ("id", "id", [9]),
        ("temperature", "temperature", [9]),
        ("messages[-1].content", "messages[*].content", ["a", 9]),
        ("messages[*].name", "messages[*].name", [9, 9]),
        ("messages[0]", "messages[0]", [9]),
        ("messages[1].tags[-1]", "messages[1].tags", [[1, 9]]),
        ("..id", "..id", [9, 9]),
    ],
)
def test_a_value_is_set_wherever_the_path_leads_and_its_last_member_is_made(
    path: str, where: str, expected: list[Any]
) -> None:
    body = deepcopy(BODY)
    parse(path).set_value(body, 9)
    assert [found.value for found in parse(where).find(body)] == expected


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("options.seed", "the body has no options"),
        ("messages[5].content", "the body has no messages[5]"),
        ("messages[2]", "the body has no messages[2]"),
        ("tools[*].name", "the body has no tools"),
        ("messages[0].content.text", "the body has no messages[0].content.text"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_missing(path: str, problem: str) -> None:
    body = deepcopy(BODY)
    with pytest.raises(JsonPathError) as caught:
        parse(path).set_value(body, 9)
    assert str(caught.value) == f"the path {path} meets nothing: {problem}"
    assert body == BODY


def test_a_body_that_is_no_object_has_nothing_to_set() -> None:
    with pytest.raises(JsonPathError, match=r"^the path model meets nothing: the body is no JSON object$"):
        parse("model").set_value("text", 9)


def test_a_body_that_is_nested_too_deeply_is_refused_in_words() -> None:
    body = json.loads("[" * (DEPTH_MAX + 2) + "]" * (DEPTH_MAX + 2))
    with pytest.raises(JsonPathError, match=r"^the body is nested too deeply for \.\.id$"):
        parse("..id").find(body)
