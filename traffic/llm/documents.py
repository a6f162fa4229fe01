"""Reads JSON as servers and clients really send it. Called by decode.py and by readers of streams.

What is valid is read at once. What is not may still be JSON to its sender: with a byte order mark, in UTF-16, with
bytes that are no UTF-8, with half of a surrogate pair, NaN, or numbers that no machine holds. Those give their place
to U+FFFD, `?` and null.

A value in memory takes up to fifty times its bytes, so that their number is limited.
"""

import codecs
import json
import math
from typing import Any, Final

import msgspec

VALUES_MAX: Final = 4_000_000  # the largest answers, of embeddings, have as many
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_document(content: bytes) -> Any:
    """Raises ValueError, or RecursionError where it is nested too deeply."""
    if has_too_many_values(content):
        raise ValueError(f"more than {VALUES_MAX:,} values")
    try:
        return msgspec.json.decode(content)
    except ValueError as error:
        try:
            return _read_leniently(content)
        except ValueError:
            raise error from None


def has_too_many_values(content: bytes) -> bool:
    return len(content) > VALUES_MAX and sum(map(content.count, (b",", b"[", b"{"))) > VALUES_MAX


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
