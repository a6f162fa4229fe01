"""JSON is read as it is sent, also where it is not quite valid."""

import codecs
import re
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.llm.documents import read_document

_MIB = 1024 * 1024
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


@pytest.mark.parametrize("value", [b"[],", b"{},", b'{"a":1},', b'"a",', b"1,", b"[[[]]],"])
def test_what_small_values_would_take_in_memory_is_known_before_they_are_read(value: bytes) -> None:
    content = b"[" + value * (40 * _MIB // len(value)) + b"1]"
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^its values would take more than 128 MiB of memory$"):
            read_document(content)
        assert tracemalloc.get_traced_memory()[1] < _MIB
    finally:
        tracemalloc.stop()


def test_long_texts_and_long_lists_of_numbers_are_read() -> None:
    """Images in base64, and the vectors of embeddings."""
    assert len(read_document(b'["' + b"QUJD" * (8 * _MIB) + b'"]')[0]) == 32 * _MIB
    assert len(read_document(b"[" + b"-0.012345678," * 3_000_000 + b"0]")) == 3_000_001


def test_what_is_no_valid_json_is_mended_up_to_a_size() -> None:
    assert read_document(b'"' + b"a" * _MIB + b'\xff"')[-1] == "\N{REPLACEMENT CHARACTER}"
    with pytest.raises(ValueError, match="invalid start byte"):
        read_document(b'"' + b"a" * (9 * _MIB) + b'\xff"')


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        msgspec.json.encode(read_document(content))
    except (ValueError, RecursionError) as error:
        assert str(error)  # noqa: PT017 either is right, and neither without a word
