"""traffic/health.py: the worst part is the whole, and a full disk is told before it is full."""

import pytest

from traffic.health import Part, State, disk_part, health_of


@pytest.mark.parametrize(
    ("states", "whole", "status"),
    [
        ([], "ok", 200),
        (["ok", "ok"], "ok", 200),
        (["ok", "degraded"], "degraded", 200),
        (["failing", "degraded", "ok"], "failing", 503),
    ],
)
def test_the_worst_part_is_the_whole(states: list[State], whole: State, status: int) -> None:
    health = health_of("recorder", [Part("x", state, "") for state in states])
    assert (health.status, health.http_status) == (whole, status)


@pytest.mark.parametrize(
    ("free_bytes", "part"),
    [
        (5_100_000_000, Part("disk", "ok", "5.1 GB free where logs is")),
        (200_000_000, Part("disk", "degraded", "0.2 GB free where logs is")),
        (2_000_000, Part("disk", "failing", "0.0 GB free where logs is: delete something")),
        (None, Part("disk", "degraded", "it is not known how much is free where logs is")),
    ],
)
def test_room_on_the_disk_is_judged(free_bytes: int | None, part: Part) -> None:
    assert disk_part(free_bytes, "logs") == part
