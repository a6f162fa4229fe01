"""JSON is read as it is sent, also where it is not quite valid."""

import codecs
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.llm import documents
from traffic.llm.documents import read_document

TEXT = '{"a": "é€𝄞", "b": [1, 2.5, null]}'
VALUE = {"a": "é€𝄞", "b": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (TEXT.encode(), VALUE),
        (codecs.BOM_UTF8 + TEXT.encode(), VALUE),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), VALUE),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), VALUE),
        (b'{"a": "caf\xe9"}', {"a": "caf\ufffd"}),
        (b'{"a": "\\ud83d"}', {"a": "?"}),
        (b'{"a": "\\ud83dx", "b": "\\ud83d\\ude00"}', {"a": "?x", "b": "😀"}),
        (b'{"a": NaN, "b": [Infinity, -Infinity, 1e999]}', {"a": None, "b": [None, None, None]}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_what_its_sender_calls_json_is_read(content: bytes, value: Any) -> None:
    assert read_document(content) == value
    msgspec.json.encode(read_document(content))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "Input data was truncated"),
        (b'{"a": ', "Input data was truncated"),
        (b'{"a": "\xc3', "Input data was truncated"),
        (b"<html>", "JSON is malformed: invalid character (byte 0)"),
        (b"{} {}", "JSON is malformed: trailing characters (byte 4)"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "Integer value out of range - at `$[...]`"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(content: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        read_document(content)


@pytest.mark.parametrize("content", [b"[" * 1_000_000, b'{"a":' * 1_000_000, b"[" * 50_000 + b"\xff" + b"]" * 50_000])
def test_what_is_nested_too_deeply_is_refused(content: bytes) -> None:
    with pytest.raises((RecursionError, ValueError)):
        read_document(content)


def test_more_values_than_a_machine_should_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "VALUES_MAX", 1_000)
    assert len(read_document(b"[" + b"1," * 998 + b"1]")) == 999
    for many in (b"[" + b"1," * 1_000 + b"1]", b"[" * 501 + b"{}" * 500):
        with pytest.raises(ValueError, match=r"^more than 1,000 values$"):
            read_document(many)


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        msgspec.json.encode(read_document(content))
    except (ValueError, RecursionError) as error:
        assert str(error)  # noqa: PT017 either is right, and neither without a word
