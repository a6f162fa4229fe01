"""Which exchanges are asked for: the filters of the API and of the commands, in one table, and how each is read.

PARAMETERS is the table. A query string or a command's options become `Filters` by it; the OpenAPI description and the
options' help are made of it. Every rule of what a value may be stands here; queries.py turns `Filters` into SQL.

    route, provider, session, key, tool   exactly this text
    model       asked for or served
    method      in any case
    status      404, or a class of them: 4xx
    error       the name of the recording's error; `any`, `none`
    path        of the URL as the client called it, without the query; `/v1/*`: what begins so
    since       this moment or later; until: before this moment
    min_*       at least; max_*: at most. An exchange without that figure passes neither
    q           words, all of which the exchange holds; "some words" in a row; word*: words that begin so
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

TEXT_CHARACTERS_MAX: Final = 1_000
COUNT_MAX: Final = 2**53 - 1
MOMENT_US_MAX: Final = 2**53 - 1  # in the year 2255; times 1024 it still fits a row's key

_is_number = re.compile(r"\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?", re.ASCII).fullmatch
_relative = re.compile(r"(\d{1,9})([smhdw])", re.ASCII).fullmatch
_is_epoch_ms = re.compile(r"\d{1,15}", re.ASCII).fullmatch
_status = re.compile(r"[1-5](?:\d\d|xx)", re.ASCII).fullmatch
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class FilterError(ValueError):
    """A filter that is not understood. The text is for the person who asked: which, and what is expected."""


@dataclass(frozen=True, slots=True)
class Filters:
    """None: not asked for. Fields are those of PARAMETERS; moments are microseconds since the epoch."""

    route: str | None = None
    provider: str | None = None
    model: str | None = None
    status: range | None = None
    error: str | None = None
    session: str | None = None
    key: str | None = None
    method: str | None = None
    path: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    min_latency_ms: float | None = None
    max_latency_ms: float | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    min_cost_usd: float | None = None
    max_cost_usd: float | None = None
    q: str | None = None
    tool: str | None = None


class Kind(NamedTuple):
    """What the value of a parameter may be."""

    expects: str  # completes "expected ..."
    schema: dict[str, Any]  # JSON Schema 2020-12, as OpenAPI 3.1 has it
    read: Callable[[str, int], Any]  # the text and now_us; raises ValueError


class Parameter(NamedTuple):
    name: str  # in a query string; an option of a command is the same with dashes
    kind: Kind
    help: str
    example: str
    field: str = ""  # of Filters, where it is not the name


def _read_text(text: str, _now_us: int) -> str:
    if not 0 < len(text) <= TEXT_CHARACTERS_MAX:
        raise ValueError
    return text


def _read_method(text: str, now_us: int) -> str:
    return _read_text(text, now_us).upper()


def _read_status(text: str, _now_us: int) -> range:
    if _status(text) is None:
        raise ValueError
    return range(int(text[0]) * 100, int(text[0]) * 100 + 100) if text[1] == "x" else range(int(text), int(text) + 1)


def _read_number(text: str, _now_us: int) -> float:
    if _is_number(text) is None or math.isinf(float(text)):
        raise ValueError
    return float(text)


def _read_count(text: str, now_us: int) -> int:
    number = _read_number(text, now_us)
    if number != int(number) or number > COUNT_MAX:
        raise ValueError
    return int(number)


def _read_moment(text: str, now_us: int) -> int:
    """Moments before 1970 or after 2255 become these: no exchange lies beyond."""
    return min(max(_moment_us(text, now_us), 0), MOMENT_US_MAX)


def _moment_us(text: str, now_us: int) -> int:
    if relative := _relative(text):
        return now_us - int(relative[1]) * _SECONDS[relative[2]] * 1_000_000
    if _is_epoch_ms(text):
        return int(text) * 1000
    zone = re.fullmatch(r"(.*T.*) (\d\d:\d\d)", text)  # a query string's "+" reads as a space
    moment = datetime.fromisoformat(f"{zone[1]}+{zone[2]}" if zone else text.upper())
    return ((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


_TEXT_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": TEXT_CHARACTERS_MAX}
_TEXT: Final = Kind(f"1 to {TEXT_CHARACTERS_MAX:,} characters", _TEXT_SCHEMA, _read_text)
_METHOD: Final = Kind("an HTTP method, as GET or POST", _TEXT_SCHEMA, _read_method)
_STATUS: Final = Kind(
    "a status, as 404, or a class of them, as 4xx",
    {"type": "string", "pattern": "^[1-5]([0-9][0-9]|xx)$"},
    _read_status,
)
_MOMENT: Final = Kind(
    "a date (2026-09-13), a time (2026-09-13T02:11:09Z, in UTC where it names no zone), how long ago (30m, 2h, 7d) "
    "or milliseconds since the epoch",
    {
        "type": "string",
        "anyOf": [
            {"format": "date-time"},
            {"format": "date"},
            {"pattern": "^[0-9]{1,9}[smhdw]$"},
            {"pattern": "^[0-9]{1,15}$"},
        ],
    },
    _read_moment,
)
_NUMBER: Final = Kind("a number, 0 or more", {"type": "number", "minimum": 0}, _read_number)
_COUNT: Final = Kind("a whole number, 0 or more", {"type": "integer", "minimum": 0, "maximum": COUNT_MAX}, _read_count)

PARAMETERS: Final = (
    Parameter("route", _TEXT, "The route's name.", "openrouter"),
    Parameter("provider", _TEXT, "Who served the model.", "anthropic"),
    Parameter("model", _TEXT, "The model, as asked for or as served.", "gpt-4o-mini"),
    Parameter("status", _STATUS, "The response's status, or a class of them.", "4xx"),
    Parameter("error", _TEXT, "The name of the error that ended the recording; any: some error; none: none.", "any"),
    Parameter("session", _TEXT, "The session: a conversation, or an agent's run.", "my-agent-7"),
    Parameter("key", _TEXT, "The name of the key that the client brought.", "alice"),
    Parameter("method", _METHOD, "The request's method.", "POST"),
    Parameter("path", _TEXT, "The URL's path as the client called it; with * at its end: what begins so.", "/v1/*"),
    Parameter("since", _MOMENT, "Began then or later.", "2h", "since_us"),
    Parameter("until", _MOMENT, "Began before then.", "2026-09-13T02:11:09Z", "until_us"),
    Parameter("min_latency_ms", _NUMBER, "Took at least so many milliseconds.", "1000"),
    Parameter("max_latency_ms", _NUMBER, "Took at most so many milliseconds.", "50"),
    Parameter("min_tokens", _COUNT, "At least so many tokens, input and output together.", "1000"),
    Parameter("max_tokens", _COUNT, "At most so many tokens, input and output together.", "100"),
    Parameter("min_cost_usd", _NUMBER, "Cost at least so many US dollars.", "0.5"),
    Parameter("max_cost_usd", _NUMBER, "Cost at most so many US dollars.", "0.01"),
    Parameter("q", _TEXT, 'Words that were said: all of them; "in a row"; begin* of a word.', '"dark mode" tailwind*'),
    Parameter("tool", _TEXT, "The name of a tool that was called.", "read_file"),
)


def read_filters(values: Iterable[tuple[str, str]], now_us: int, besides: Iterable[str] = ()) -> Filters:
    """Filters from names and texts; `besides`: names of parameters that the caller reads itself. Raises FilterError."""
    others = tuple(besides)
    own = [(name, text) for name, text in values if name not in others]
    return Filters(**read_parameters(PARAMETERS, own, now_us, besides=others))


def read_parameters(
    parameters: Iterable[Parameter], values: Iterable[tuple[str, str]], now_us: int, besides: Iterable[str] = ()
) -> dict[str, Any]:
    """By field; `besides`: names to suggest as well in place of an unknown one. Raises FilterError."""
    by_name = {parameter.name: parameter for parameter in parameters}
    found: dict[str, Any] = {}
    for name, text in values:
        parameter = by_name.get(name)
        if parameter is None:
            raise FilterError(_unknown(name, [*by_name, *besides]))
        field = parameter.field or name
        if field in found:
            raise FilterError(f"{name}: given twice; expected once")
        found[field] = _read(parameter, text, now_us)
    return found


def _read(parameter: Parameter, text: str, now_us: int) -> Any:
    printable = text.encode("utf-8", "replace").decode()  # lone surrogates, from bytes that are no UTF-8
    try:
        return parameter.kind.read(printable, now_us)
    except (ValueError, OverflowError):
        raise FilterError(f"{parameter.name}={printable[:100]}: expected {parameter.kind.expects}") from None


def _unknown(name: str, known: list[str]) -> str:
    shown = name[:100].encode("utf-8", "replace").decode()
    nearest = get_close_matches(name[:100].lower().replace("-", "_"), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(known) or 'none'}"
    return f"{shown}: no such parameter; {hint}"
