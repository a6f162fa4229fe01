"""Which part of a body a `Range` header asks for (RFC 9110 §14). Pure; called by what sends bodies.

One range of bytes is given. A header that asks for several, for other units or in a malformed way is passed over, as
the RFC allows: the whole body is the answer.
"""

import re

_range = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE).fullmatch


class UnsatisfiableError(ValueError):
    """None of the bytes that are asked for are there."""


def range_of(header: str | None, size: int) -> range | None:
    """Offsets of the bytes to send; None: all, with status 200. Raises UnsatisfiableError."""
    match = _range(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise UnsatisfiableError(f"there are {size} bytes")
    return range(start, end)
