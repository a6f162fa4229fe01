"""Values of the wrong type read as empty ones; sizes and JSON texts are those of Python's own library."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.llm.shapes import base64_bytes, count, json_text, mapping, sequence, text, text_or_none


@pytest.mark.parametrize("value", [None, 1, "text", [1], {"a": 1}, True])
def test_only_a_value_of_the_right_type_is_taken(value: Any) -> None:
    assert mapping(value) == (value if type(value) is dict else {})
    assert sequence(value) == (value if type(value) is list else [])
    assert text(value) == (value if type(value) is str else "")
    assert text_or_none(value) == (value if type(value) is str else None)


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        (0, 0),
        (7, 7),
        (7.0, 7),
        (7.5, None),
        (-1, None),
        (True, None),
        ("7", None),
        (None, None),
        (1e400, None),
        (2**53 + 1, None),
    ],
)
def test_a_count_is_a_whole_number_that_fits_a_column(value: Any, tokens: int | None) -> None:
    assert count(value) == tokens


@given(st.binary())
def test_base64_bytes_is_the_size_of_what_the_text_stands_for(data: bytes) -> None:
    assert base64_bytes(base64.b64encode(data).decode()) == len(data)


def test_json_text_is_json_and_text_stays_as_it_is() -> None:
    assert json.loads(json_text({"ä": [1, None]})) == {"ä": [1, None]}
    assert json_text('{"a": 1}') == '{"a": 1}'
