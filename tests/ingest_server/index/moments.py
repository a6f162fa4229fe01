"""Moments as the index counts them, for its tests."""

from calendar import timegm

NOW_US = 1_790_000_000_000_000


def us(*moment: int) -> int:
    """Microseconds since the epoch of year, month, day, hour, minute, second, microsecond in UTC; left out: 0."""
    parts = (*moment, 0, 0, 0, 0)
    return timegm(parts[:6]) * 1_000_000 + parts[6]
