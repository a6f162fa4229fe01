"""Reads JSON of unknown shape: each function gives the value where it has the right type, else an empty one.

Called by the dialects, so that a body that is not what its API says costs a field and not the exchange.
"""

from typing import Any

import msgspec


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def count(value: Any) -> int | None:
    """A number of tokens; JSON's `3.0` counts, a bool, a negative number and one beyond 2**53 do not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= 2**53 and value == int(value) else None


def json_text(value: Any) -> str:
    """What was JSON, as JSON again; text stays as it is, as models write arguments as JSON within JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def base64_bytes(data: str) -> int:
    """How many bytes the base64 text stands for."""
    return len(data) * 3 // 4 - data.endswith("=") - data.endswith("==")
