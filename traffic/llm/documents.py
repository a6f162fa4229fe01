"""Reads JSON as servers and clients really send it. Called by decode.py and by readers of streams.

What is valid is read at once. What is not may still be JSON to its sender: with a byte order mark, in UTF-16, with
bytes that are no UTF-8, with half of a surrogate pair, NaN, or numbers that no machine holds. Those give their place
to U+FFFD, `?` and null.

A value in memory takes up to fifty times its bytes: what would take too much is not read.
"""

import codecs
import json
import math
from typing import Any, Final

import msgspec

MEMORY_BYTES_MAX: Final = 128 * 1024 * 1024  # of a document's values, beside their text: 4 million numbers
_SMALL_BYTES: Final = 512 * 1024  # takes less than that, whatever it holds
_LENIENT_BYTES_MAX: Final = 8 * 1024 * 1024  # read in steps that each hold all of it, up to four bytes a character
# What a value takes in memory, about, by the byte that comes with each of its kind: a member of a list or an object,
# a list, an object, one of the two quotes of a text.
_VALUE_BYTES: Final = ((b",", 32), (b"[", 64), (b"{", 184), (b'"', 28))
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_document(content: bytes) -> Any:
    """Raises ValueError, or RecursionError where it is nested too deeply."""
    if takes_too_much(content):
        raise ValueError(f"its values would take more than {MEMORY_BYTES_MAX >> 20} MiB of memory")
    try:
        return msgspec.json.decode(content)
    except ValueError as error:
        if len(content) > _LENIENT_BYTES_MAX:
            raise
        try:
            return _read_leniently(content)
        except ValueError:
            raise error from None


def takes_too_much(content: bytes) -> bool:
    """Whether the values of this JSON would take more than MEMORY_BYTES_MAX, by a look at its bytes."""
    if len(content) <= _SMALL_BYTES:
        return False
    return sum(content.count(byte) * each for byte, each in _VALUE_BYTES) > MEMORY_BYTES_MAX


def _read_leniently(content: bytes) -> Any:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            text = content[len(mark) :].decode(encoding, "replace")
            break
    else:
        text = content.decode("utf-8", "replace")
    document = json.loads(text, parse_float=_finite, parse_constant=_nothing)
    return msgspec.json.decode(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _nothing(_name: str) -> None:
    """For NaN and Infinity."""
