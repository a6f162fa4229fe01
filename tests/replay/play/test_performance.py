"""How a score is sent: a write for each piece, none while the client takes nothing, and its end once."""

import asyncio
from typing import Any

import pytest

from replay.play.performance import Performance
from replay.play.score import Ending, Piece, Score
from replay.play.settings import INSTANT
from tests.e2e.scripted import until

PIECES = tuple(Piece(60.0 * place, b"%d" % place) for place in range(5))


class Writes(asyncio.WriteTransport):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []
        self.ended: list[Ending] = []

    def write(self, data: Any) -> None:
        self.seen.append(bytes(data))


def performance(writes: Writes, ending: Ending, speed: float = INSTANT) -> Performance:
    score = Score(200, PIECES, 0.0, 600.0, ending)
    return Performance(writes, score, speed, writes.ended.append)


@pytest.mark.parametrize("ending", Ending)
async def test_each_piece_is_a_write_of_its_own_also_where_nothing_is_waited_for(ending: Ending) -> None:
    writes = Writes()
    performance(writes, ending).begin(0.0, 0.0)
    assert writes.seen == [b"0"]
    await until(lambda: writes.ended == [ending], "it ends")
    assert writes.seen == [b"0", b"1", b"2", b"3", b"4"]


async def test_nothing_is_written_while_the_client_takes_nothing() -> None:
    writes = Writes()
    played = performance(writes, Ending.GOES_ON)
    played.pause()
    now_s = asyncio.get_running_loop().time()
    played.begin(now_s, now_s)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (writes.seen, writes.ended) == ([], [])
    played.resume()
    await until(lambda: writes.ended == [Ending.GOES_ON], "it ends")
    assert len(writes.seen) == len(PIECES)


async def test_what_is_stopped_writes_no_more() -> None:
    writes = Writes()
    played = performance(writes, Ending.GOES_ON)
    played.begin(0.0, 0.0)
    played.stop()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (writes.seen, writes.ended) == ([b"0"], [])


async def test_a_request_that_took_longer_than_then_makes_all_of_it_later() -> None:
    """Its last byte came 3 minutes in, then at once: what is due 3 minutes later is all that is not due yet."""
    writes = Writes()
    played = performance(writes, Ending.GOES_ON, 1.0)
    now_s = asyncio.get_running_loop().time()
    played.begin(now_s - 400.0, now_s - 150.0)
    await until(lambda: len(writes.seen) == 3, "what is due leaves")
    for _ in range(10):
        await asyncio.sleep(0)
    assert writes.seen == [b"0", b"1", b"2"]
    played.stop()
