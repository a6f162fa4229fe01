"""Names of the files of an exchange: `<ts>_<id>_request.bin`, `_response.bin`, `_metadata.json`.

`ts` is the exchange's start in UTC, as in `2026-09-13_02-11-09.123`; `id` is eight hex digits of its UUID: the first
eight, as the console line shows them, or, where that name belongs to another exchange, eight others.
Called by the ingest server, which alone creates such files, and by what looks for them.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import gmtime, strftime

REQUEST = "_request.bin"
RESPONSE = "_response.bin"
METADATA = "_metadata.json"
PARTS = (REQUEST, RESPONSE, METADATA)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_is_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_split = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}-[0-9]{2}-[0-9]{2}\.[0-9]{3}_[0-9a-f]{8})(_request\.bin|_response\.bin|_metadata\.json)"
).fullmatch
_is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch

_is_stem = re.compile(r"(?:\d{4}-\d\d-\d\d[/\\])?\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.\d{3}_[0-9a-f]{8}", re.ASCII).fullmatch


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID as this project writes it: 36 characters, lower case."""
    return _is_uuid(text) is not None


def short_id(exchange_id: str) -> str:
    """The eight digits that console lines and file names show."""
    return exchange_id[:8]


def stem(started_ns: int, digits: str) -> str:
    """What the names of one exchange's files have in common; `started_ns` counts from the epoch, UTC."""
    second, nanos = divmod(started_ns, 1_000_000_000)
    return f"{_second(second)}.{nanos // 1_000_000:03d}_{digits}"


def is_stem(text: str) -> bool:
    """Whether `text` is what the files of one exchange are called, perhaps in the folder of a day."""
    return _is_stem(text) is not None


def other_digits(exchange_id: str) -> Iterator[str]:
    """What to take instead of the first eight digits, best first."""
    digits = exchange_id.replace("-", "")
    for start in (8, 16, 24, *range(1, 24)):
        yield digits[start : start + 8]


def split(name: str) -> tuple[str, str] | None:
    """The stem and which of PARTS a file's name is made of; None: it is of no recording."""
    match = _split(name)
    return None if match is None else (match[1], match[2])


def is_day(name: str) -> bool:
    """Whether `name` may be a folder of the layout `daily`."""
    return _is_day(name) is not None


def day(started_ns: int) -> str:
    """The folder of an exchange under the layout `daily`."""
    return _second(started_ns // 1_000_000_000)[:10]


def iso(at_ns: int) -> str:
    """A moment as metadata shows it: `2026-09-13T02:11:09.123456Z`."""
    second, nanos = divmod(at_ns, 1_000_000_000)
    return f"{_iso_second(second)}.{nanos // 1000:06d}Z"


def moment_ns(text: str) -> int:
    """A date and time of ISO 8601, UTC where it names no zone, since the epoch. Raises ValueError, in words."""
    try:
        moment = datetime.fromisoformat(text)
        since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no date and time") from None
    if since < timedelta(0):
        raise ValueError(f"{text[:40]!r} lies before 1970")
    return since // timedelta(microseconds=1) * 1000


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return strftime("%Y-%m-%d_%H-%M-%S", gmtime(second))


@lru_cache(maxsize=64)
def _iso_second(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
