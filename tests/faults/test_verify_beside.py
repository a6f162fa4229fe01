"""`verify` beside services at work: what is still being recorded is open or waits, and nothing is called damaged."""

import asyncio

from replay.verify import verify
from tests.faults.client import Outcome
from tests.faults.stage import Stage

STREAMS = 20
EACH = 8


async def test_verify_finds_no_fault_while_exchanges_are_recorded(stage: Stage) -> None:
    """Again and again, as long as the load runs."""
    await stage.start()
    load = asyncio.gather(*(stage.send_all(*stage.mixed(EACH)) for _ in range(STREAMS)))
    while not load.done():
        report = await asyncio.to_thread(verify, stage.log_dir, stage.journal_dir)
        assert report.faults == ()
    await load
    assert stage.client.count(Outcome.FINISHED) == STREAMS * EACH
    await stage.drain()
    report = verify(stage.log_dir, stage.journal_dir)
    assert (report.complete, report.open, report.waiting_bytes, report.faults) == (STREAMS * EACH, 0, 0, ())
