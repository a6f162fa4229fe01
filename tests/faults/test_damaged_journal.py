"""Damage in the journal of a stopped recorder: it costs what it hits, which is counted, and holds nothing up."""

import pytest

from tests.faults.ledger import gap_lines
from tests.faults.stage import Stage

ORDERS = 60


async def record_while_the_server_is_away(stage: Stage) -> bytearray:
    await stage.start_recorder()
    await stage.send_all(*(stage.order("json") for _ in range(ORDERS)))
    assert stage.recorder is not None
    await stage.recorder.stop()
    stage.recorder = None
    (segment,) = stage.journal_dir.glob("*/*.seg")
    return bytearray(segment.read_bytes())


def put_back(stage: Stage, data: bytearray) -> None:
    (segment,) = stage.journal_dir.glob("*/*.seg")
    segment.write_bytes(data)


@pytest.mark.parametrize("flips", [1, 5])
async def test_a_flipped_bit_costs_its_frame_and_is_counted(stage: Stage, flips: int) -> None:
    data = await record_while_the_server_is_away(stage)
    for place in stage.random.sample(range(len(data)), flips):
        data[place] ^= 1 << stage.random.randrange(8)
    put_back(stage, data)
    sums = await stage.add_up(damage=True)
    assert sums.complete >= ORDERS - flips
    assert any(gap["bytes"] for gap in gap_lines(stage.log_dir))


async def test_a_torn_last_frame_is_cut_off_and_counted(stage: Stage) -> None:
    data = await record_while_the_server_is_away(stage)
    put_back(stage, data[: -stage.random.randint(1, 40)])
    sums = await stage.add_up(damage=True)
    assert sums.complete == ORDERS
    (gap,) = gap_lines(stage.log_dir)
    assert (gap["reason"], gap["exchanges"]) == ("journal_torn", 0)
