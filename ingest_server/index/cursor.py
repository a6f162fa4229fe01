"""The cursor of a page: the key of its last row. To whoever asks it means nothing but the next page."""

import re

from ingest_server.index.filters import FilterError
from ingest_server.index.plan import KEY_MAX

_is_cursor = re.compile(r"[0-9a-f]{1,16}").fullmatch


def read_cursor(text: str | None) -> int | None:
    """Raises FilterError."""
    if text is None:
        return None
    if not _is_cursor(text):
        shown = text[:100].encode("utf-8", "replace").decode()
        raise FilterError(f"cursor={shown}: expected the `next` of an earlier page")
    return min(int(text, 16), KEY_MAX)


def write_cursor(at: int) -> str:
    return f"{at:x}"
