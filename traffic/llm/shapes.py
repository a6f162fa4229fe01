"""Reads JSON of unknown shape: each function gives the value where it has the right type, else an empty one.

Called by the dialects, so that a body that is not what its API says costs a field and not the exchange.
"""

from typing import Any


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def count(value: Any) -> int | None:
    """A number of tokens; JSON's `3.0` counts, a bool and a negative number do not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value >= 0 and value == int(value) else None
