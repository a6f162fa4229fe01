"""The parameters of the API that are no filters: those of query strings, and the parts of paths.

The filters are in ingest_server/index/filters.py. Both are read by the same rules, and both describe themselves in the
OpenAPI document.
"""

import re
import time
from typing import Any, Final

from aiohttp import web

from ingest_server.answers import AnswerError
from ingest_server.index import stats
from ingest_server.index.cursor import read_cursor
from ingest_server.index.filters import FilterError, Kind, Parameter, read_parameters

LIMIT_MAX: Final = 1_000
PAGE: Final = 50  # where nobody says how many
EVENTS_MAX: Final = 100_000
_COUNT_MAX: Final = 10**9

_digits = re.compile(r"[0-9]{1,10}").fullmatch


def read(request: web.Request, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """What the query string says, by field. Raises AnswerError."""
    try:
        return read_parameters(parameters, request.query.items(), time.time_ns() // 1000)
    except FilterError as error:
        raise AnswerError(400, str(error)) from None


def count(least: int, most: int) -> Kind:
    def read_count(text: str, _now_us: int) -> int:
        if _digits(text) is None or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(f"a whole number from {least} to {most:,}", schema, read_count)


def one_of(*choices: str) -> Kind:
    def read_choice(text: str, _now_us: int) -> str:
        if text not in choices:
            raise ValueError
        return text

    return Kind(f"one of {', '.join(choices)}", {"type": "string", "enum": list(choices)}, read_choice)


def _read_flag(text: str, _now_us: int) -> bool:
    if text not in ("1", "0", "true", "false"):
        raise ValueError
    return text in ("1", "true")


def _read_text(text: str, _now_us: int) -> str:
    return text


def _read_cursor(text: str, _now_us: int) -> str:
    read_cursor(text)
    return text


def text(pattern: str | None = None) -> Kind:
    """Which the endpoint itself judges."""
    return Kind("", {"type": "string"} | ({"pattern": pattern} if pattern else {}), _read_text)


FLAG: Final = Kind("1 or 0", {"type": "string", "enum": ["1", "0", "true", "false"]}, _read_flag)
_CURSOR: Final = Kind("the `next` of an earlier page", {"type": "string", "pattern": "^[0-9a-f]{1,16}$"}, _read_cursor)
_UUID: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

LIMIT: Final = Parameter("limit", count(1, LIMIT_MAX), "At most so many; 50 where it is not given.", "100")
TREE_LIMIT: Final = Parameter("limit", count(1, LIMIT_MAX), "At most so many; 1,000 where it is not given.", "100")
AUDIT_LIMIT: Final = Parameter("limit", count(1, LIMIT_MAX), "At most so many; 100 where it is not given.", "100")
BY: Final = Parameter("by", one_of(*stats.BY), "What to tell apart; model where it is not given.", "day")
CURSOR: Final = Parameter("cursor", _CURSOR, "The `next` of the page before.", "65a0f3b2c1d40")
DECODED: Final = Parameter("decoded", FLAG, "1: the body alone, without chunk framing and compression.", "1")
DECODER_CHANGED: Final = Parameter(
    "decoder_changed", FLAG, "1: only what another decoder decoded, or with other prices.", "1"
)
EVENTS_LIMIT: Final = Parameter(
    "limit", count(1, EVENTS_MAX), "At most so many events; 10,000 where it is not given.", "100"
)
EVENTS_START: Final = Parameter("start", count(0, _COUNT_MAX), "The number of the first event, from 0.", "0")

PLACES: Final = (
    Parameter(
        "ref",
        text("^(last(~[0-9]{1,9})?|[0-9A-Fa-f-]{4,36})$"),
        "The exchange: its id, four or more of its first digits, last, or last~2 for two before it.",
        "last",
    ),
    Parameter("id", text(_UUID), "The exchange's id, a UUID.", "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"),
    Parameter("journal", text(_UUID), "The journal's name, a UUID.", "11111111-2222-4333-8444-555555555555"),
    Parameter("offset", text("^[0-9]{1,18}$"), "Where in the journal the body begins.", "0"),
    Parameter("session", text("^.{1,256}$"), "The session's name, percent-encoded.", "my-agent-7"),
)
