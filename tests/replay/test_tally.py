"""replay/tally.py: the numbers of a run."""

import pytest

from replay.answer import Reply
from replay.tally import Tally, percentiles
from traffic.capture.metadata import Durations, ErrorFields


def reply(status: int | None, total_ms: float, first_byte_ms: float | None, error: str | None = None) -> Reply:
    fields = ErrorFields(error, "connect", "network", f"{error} {total_ms}") if error else None
    return Reply(0, "", status, 10, b"", [], Durations(None, first_byte_ms, total_ms), fields)


def test_answers_and_errors_are_counted_apart() -> None:
    tally = Tally()
    tally.add(reply(200, 30, 10), 0.5)
    tally.add(reply(429, 20, 15), 0.25)
    tally.add(reply(200, 40, 12, "upstream_reset"), 0)  # cut: no answer, but a first byte
    tally.add(reply(None, 50, None, "upstream_reset"), 0)
    assert tally.statuses == {200: 1, 429: 1}
    assert tally.errors == {"upstream_reset": 2}
    assert tally.first_errors == {"upstream_reset": "upstream_reset 40"}
    assert (list(tally.took_ms), list(tally.first_byte_ms), list(tally.late_ms)) == (
        [30, 20],
        [10, 15, 12],
        [0.5, 0.25, 0, 0],
    )
    assert (tally.ended, tally.received_bytes) == (4, 40)


@pytest.mark.parametrize(
    ("values", "found"),
    [([7.0], [7, 7, 7]), ([3.0, 1.0, 2.0], [2, 3, 3]), ([float(each) for each in range(1, 101)], [50, 90, 99])],
)
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(values: list[float], found: list[float]) -> None:
    assert percentiles(values, 50, 90, 99) == found
