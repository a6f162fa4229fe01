"""How the commands write figures for people: durations, numbers of tokens, costs and moments, each in few characters.

A figure that is not known is `-`. Moments are UTC, as in the names of the files. Pure; called by what prints tables.
"""

from datetime import UTC, datetime, timedelta

UNKNOWN = "-"
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000


def duration(ms: float | None) -> str:
    """`4.2ms`, `310ms`, `1.24s`, `62.5s`, `12min`, `3.4h`"""
    if ms is None:
        return UNKNOWN
    if ms < 9.95:
        return f"{ms:.1f}ms"
    if ms < 999.5:
        return f"{ms:.0f}ms"
    if ms < 9_995:
        return f"{ms / 1000:.2f}s"
    if ms < 2 * _MINUTE_MS:
        return f"{ms / 1000:.1f}s"
    return f"{ms / _MINUTE_MS:.0f}min" if ms < 2 * _HOUR_MS else f"{ms / _HOUR_MS:.1f}h"


def short_count(number: float | None) -> str:
    """`950`, `1.2k`, `34k`, `1.2M`"""
    if number is None:
        return UNKNOWN
    if number < 999.5:
        return f"{number:.0f}"
    value = float(number)
    for unit in "kMG":
        value /= 1000
        if value < 9.95:
            return f"{value:.1f}{unit}"
        if value < 999.5:
            return f"{value:.0f}{unit}"
    return f"{value / 1000:.1f}T"


def full_count(number: int | None) -> str:
    """`1,234`"""
    return UNKNOWN if number is None else f"{number:,}"


def cost(usd: float | None) -> str:
    """US dollars: cents from one dollar on, below that two digits that say something: `$0.00042`."""
    if usd is None:
        return UNKNOWN
    if usd == 0:
        return "$0"
    if usd < 1e-8:
        return "<$1e-8"
    if usd >= 0.995:
        return f"${usd:,.2f}"
    places = 2
    while places < 8 and usd < 10 ** (1 - places):
        places += 1
    return f"${usd:.{places}f}"


def counted(number: int, what: str) -> str:
    """`1 exchange`, `2,000 exchanges`"""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(iso: str, now: datetime) -> str:
    """`02:11:09` of the last twelve hours, else with its day: `09-13 02:11:09`, or year: `2025-09-13 02:11`."""
    at = datetime.fromisoformat(iso).astimezone(UTC)
    if abs(now - at) < timedelta(hours=12):
        return f"{at:%H:%M:%S}"
    return f"{at:%m-%d %H:%M:%S}" if abs(now - at) < timedelta(days=300) else f"{at:%Y-%m-%d %H:%M}"
