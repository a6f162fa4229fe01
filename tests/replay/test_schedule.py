"""replay/schedule.py: when each request is due, and replay/budget.py: what may be spent."""

import pytest

from replay.budget import Budget
from replay.schedule import Schedule

MS = 1_000_000
STARTS = [5_000 * MS, 5_010 * MS, 5_010 * MS, 5_030 * MS]


@pytest.mark.parametrize(
    ("schedule", "due_s"),
    [
        (Schedule(), [0, 0, 0, 0]),
        (Schedule(rate_per_s=4), [0, 0.25, 0.5, 0.75]),
        (Schedule(speed=1), [0, 0.01, 0.01, 0.03]),
        (Schedule(speed=2), [0, 0.005, 0.005, 0.015]),
        (Schedule(speed=0.5), [0, 0.02, 0.02, 0.06]),
    ],
)
def test_each_request_is_due_once(schedule: Schedule, due_s: list[float]) -> None:
    assert list(schedule.due_s(STARTS)) == list(enumerate(due_s))


@pytest.mark.parametrize(
    ("schedule", "due_s"),
    [
        (Schedule(repeat=2), [0, 0, 0, 0, 0, 0, 0, 0]),
        (Schedule(rate_per_s=4, repeat=2), [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]),
        (Schedule(speed=1, repeat=2), [0, 0.01, 0.01, 0.03, 0.04, 0.05, 0.05, 0.07]),  # 10 ms apart on average
    ],
)
def test_a_pass_follows_the_one_before_at_the_average_distance(schedule: Schedule, due_s: list[float]) -> None:
    found = list(schedule.due_s(STARTS))
    assert [number for number, _ in found] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [at for _, at in found] == pytest.approx(due_s)


def test_one_request_alone_has_no_distance() -> None:
    assert list(Schedule(speed=1, repeat=3).due_s([5])) == [(0, 0.0)] * 3
    assert list(Schedule(speed=1, repeat=3).due_s([])) == []


def test_only_rates_and_recorded_schedules_have_times_of_their_own() -> None:
    assert not Schedule(repeat=3).has_times
    assert Schedule(rate_per_s=1).has_times
    assert Schedule(speed=1).has_times


def test_a_budget_counts_what_is_under_way_as_expected() -> None:
    budget = Budget(1.0)
    assert budget.allows(1.0)
    assert not budget.allows(1.1)
    budget.begin(0.75)
    assert not budget.allows(0.5)
    budget.end(0.75, 0.25)  # cheaper than its recording
    assert budget.spent == 0.25
    assert budget.allows(0.75)
    assert not budget.allows(0.8)


def test_a_budget_expects_more_of_the_rest_where_answers_cost_more_than_recorded() -> None:
    budget = Budget(1.0)
    budget.begin(0.125)
    budget.end(0.125, 0.25)  # twice
    assert budget.allows(0.375)
    assert not budget.allows(0.4)


def test_an_answer_that_tells_no_cost_counts_as_expected() -> None:
    budget = Budget(1.0)
    budget.begin(0.25)
    budget.end(0.25, None)
    assert budget.spent == 0.25
    budget.begin(0.25)
    budget.end(0.25, 0.5)
    budget.begin(0.125)
    budget.end(0.125, None)  # as expected by then: twice what was recorded
    assert budget.spent == 1.0
    assert budget.allows(0)
    assert not budget.allows(0.01)
