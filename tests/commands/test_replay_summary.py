"""commands/replay_summary.py: the lines at the end of a replay."""

from commands.replay_summary import Ending, summary
from replay.answer import Reply
from replay.budget import Budget
from replay.tally import Tally
from traffic.capture.metadata import Durations, ErrorFields


def tally() -> Tally:
    found = Tally()
    for number in range(1, 101):
        durations = Durations(None, float(number), float(2 * number))
        found.add(Reply(0, "", 429 if number == 7 else 200, 1_000, b"", [], durations, None), number / 100)
    error = ErrorFields("upstream_reset", "response_body", "upstream", "no answer came")
    found.add(Reply(0, "", None, 0, b"", [], Durations(None, None, 5.0), error), 0.0)
    return found


def test_everything_that_was_counted_is_told() -> None:
    budget = Budget(1.5, spent=0.25)
    assert list(summary(tally(), Ending(120, 103, 10.0, True, "interrupted"), budget)) == [
        "sent 103 of 120 in 10.0s, 10.1/s; 100.0 kB came back",
        "interrupted: 17 were not sent",
        "2 were given up before the answer had ended",
        "answers     200: 99  429: 1",
        "no answer   upstream_reset: 1, the first: no answer came",
        "took        p50 100ms  p90 180ms  p95 190ms  p99 198ms  max 200ms",
        "first byte  p50 50ms  p90 90ms  p95 95ms  p99 99ms  max 100ms",
        "late        p50 0.5ms  p90 0.9ms  p95 0.9ms  p99 1.0ms  max 1.0ms",
        "cost        $0.25 of at most $1.50",
    ]


def test_what_does_not_apply_is_not_told() -> None:
    assert list(summary(Tally(), Ending(3, 0, 0.0, False, ""), None)) == ["sent 0 of 3 in no time; 0 B came back"]
