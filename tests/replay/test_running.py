"""replay/running.py: what is under way at a time, what waits for what, and how a run ends."""

import asyncio

import pytest

from replay.budget import Budget
from replay.running import Run


class Sends:
    """Sendings that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.under_way: dict[str, asyncio.Future[float | None]] = {}
        self._changed = asyncio.Event()

    async def send(self, thing: str, _late_s: float) -> float | None:
        self.begun.append(thing)
        self.under_way[thing] = asyncio.get_running_loop().create_future()
        self._changed.set()
        try:
            return await self.under_way[thing]
        finally:
            del self.under_way[thing]

    async def until(self, *begun: str) -> None:
        async with asyncio.timeout(10):
            while self.begun != list(begun):
                self._changed.clear()
                await self._changed.wait()

    def end(self, thing: str, cost: float | None = None) -> None:
        self.under_way[thing].set_result(cost)


def at_once(things: str) -> list[tuple[str, float]]:
    return [(thing, 0.0) for thing in things]


async def test_no_more_are_under_way_than_allowed() -> None:
    sends = Sends()
    run = Run(sends.send, 2)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run.run(at_once("abc")))
        await sends.until("a", "b")
        await asyncio.sleep(0)
        assert set(sends.under_way) == {"a", "b"}
        sends.end("b")
        await sends.until("a", "b", "c")
        sends.end("a")
        sends.end("c")
        await running
    assert (run.begun, run.ended, run.is_stopped) == (3, 3, False)


async def test_a_late_answer_delays_no_other_sending() -> None:
    sends = Sends()
    run = Run(sends.send, 100)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run.run([("a", 0.0), ("b", 0.001), ("c", 0.002)]))
        await sends.until("a", "b", "c")
        assert len(sends.under_way) == 3
        for thing in "abc":
            sends.end(thing)
        await running


async def test_nothing_begins_before_it_is_due_and_each_learns_how_late_it_is() -> None:
    begun = []
    loop = asyncio.get_running_loop()
    begin_s = loop.time()

    async def send(thing: str, late_s: float) -> None:
        begun.append((thing, loop.time() - begin_s, late_s))

    await Run(send, 1).run([("a", 0.0), ("b", 0.03), ("c", 0.03)])
    assert [thing for thing, _, _ in begun] == ["a", "b", "c"]
    for (_, at_s, late_s), due_s in zip(begun, (0.0, 0.03, 0.03), strict=True):
        assert late_s >= 0
        assert at_s >= due_s + late_s


async def test_a_budget_waits_for_what_is_under_way_and_goes_on_where_that_was_cheaper() -> None:
    sends = Sends()
    run = Run(sends.send, 100, Budget(1.0), lambda _: 0.75)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run.run(at_once("abc")))
        await sends.until("a")
        sends.end("a", 0.25)
        await sends.until("a", "b")
        sends.end("b", 0.5)
        await running
    assert (run.begun, run.is_stopped) == (2, True)  # c would exceed it


async def test_what_a_sending_raises_ends_the_run() -> None:
    sends = Sends()

    async def send(thing: str, late_s: float) -> float | None:
        if thing == "b":
            raise BrokenPipeError
        return await sends.send(thing, late_s)

    with pytest.raises(BrokenPipeError):
        await Run(send, 2).run(at_once("abc"))
    assert sends.under_way == {}
    assert sends.begun == ["a"]


async def test_a_run_that_is_given_up_gives_up_what_is_under_way() -> None:
    sends = Sends()
    run = Run(sends.send, 2)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run.run(at_once("abc")))
        await sends.until("a", "b")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (sends.under_way, run.begun, run.ended) == ({}, 2, 0)
