"""The wall clock jumps by an hour, forth and back: nothing is overwritten, and no duration is negative."""

import asyncio
import json
from pathlib import Path

from tests.e2e.scripted import until
from tests.faults.preload import Preload, needs_preload
from tests.faults.stage import Stage

HOUR_S = 3600
pytestmark = needs_preload


async def test_exchanges_over_jumps_of_the_clock_are_recorded_with_monotonic_durations(
    tmp_path: Path, stage: Stage
) -> None:
    """Both services jump, in the midst of streams."""
    preload = Preload(tmp_path, stage.log_dir)
    await stage.start_ingest(environment=preload.environment)
    await stage.start_recorder(environment=preload.environment)
    for ahead_s in (HOUR_S, -HOUR_S, 0):
        streams = [stage.order("sse", pieces=20, pause_ms=10) for _ in range(10)]
        load = asyncio.gather(*map(stage.send_all, streams))
        await until(lambda: all(each.id in stage.upstream.seen for each in streams), "streams run")  # noqa: B023 awaited here
        preload.set_clock(ahead_s)
        await load
        await stage.send_all(*stage.mixed(5))
    sums = await stage.add_up()
    assert sums.complete == 45
    facts = [json.loads(path.read_bytes()) for path in stage.log_dir.glob("*_metadata.json")]
    assert {each["started_at"][:13] for each in facts} != {facts[0]["started_at"][:13]}, "the clock did jump"
    for each in facts:
        times = [*each["durations_ms"].values()]
        times += [at_ms for side in ("request", "response") for _, at_ms in each[side]["arrivals"]]
        assert all(at_ms is None or 0 <= at_ms < HOUR_S * 1000 for at_ms in times)
