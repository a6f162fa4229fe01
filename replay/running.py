"""Sends many requests by a schedule.

    run()    starts each sending when it is due, however late earlier answers come, with at most so many under way

A schedule with times holds them as long as the limit of sendings under way allows; how late each began is told, so
that nothing is late in silence. A sending that a budget does not allow waits for those under way, which may turn out
cheaper than expected; where none is under way, nothing more is sent. Called by the commands that replay.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from replay.budget import Budget

T = TypeVar("T")


@dataclass(slots=True)
class Run(Generic[T]):
    """`send` gets a thing and how late its sending began, in seconds; it returns what it cost in US dollars, if known.
    What it raises ends the run, and is raised by `run`.
    """

    send: Callable[[T, float], Awaitable[float | None]]
    under_way_max: int
    budget: Budget | None = None
    expected_usd: Callable[[T], float] = lambda _: 0.0
    begun: int = 0
    ended: int = 0
    is_stopped: bool = False  # by the budget
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, due: Iterable[tuple[T, float]]) -> None:
        """`due`: things, and seconds since the begin, rising."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        try:
            async with asyncio.TaskGroup() as tasks:
                for thing, due_s in due:
                    await _until(begin_s + due_s)
                    if not await self._may_send(thing):
                        self.is_stopped = True
                        break
                    self.begun += 1
                    tasks.create_task(self._send(thing, loop.time() - begin_s - due_s))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _may_send(self, thing: T) -> bool:
        expected = self.expected_usd(thing)
        while (under_way := self.begun - self.ended) >= self.under_way_max or not self._can_pay(expected):
            if not under_way:
                return False
            self._answered.clear()
            await self._answered.wait()
        if self.budget is not None:
            self.budget.begin(expected)
        return True

    def _can_pay(self, expected: float) -> bool:
        return self.budget is None or self.budget.allows(expected)

    async def _send(self, thing: T, late_s: float) -> None:
        cost = await self.send(thing, late_s)
        self.ended += 1
        if self.budget is not None:
            self.budget.end(self.expected_usd(thing), cost)
        self._answered.set()


async def _until(at_s: float) -> None:
    """Yields at least once, so that what was begun is sent before the next is looked at."""
    await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))
