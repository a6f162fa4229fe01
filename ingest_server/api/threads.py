"""Where the API reads files and asks the index: in threads, so that nothing of it holds up the link of a recorder.

At most QUESTIONS ask the index at a time, and at most WHOLE recordings are in memory; whoever else asks waits, and
their number is bounded by that of the connections. Pieces of files that are sent have threads that none of these take.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

QUESTIONS: Final = 4
WHOLE: Final = 2
_PIECES: Final = 2

T = TypeVar("T")


class Threads:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(QUESTIONS + WHOLE + _PIECES, thread_name_prefix="api")
        self._questions = asyncio.Semaphore(QUESTIONS)
        self._whole = asyncio.Semaphore(WHOLE)

    async def run(self, work: Callable[[], T]) -> T:
        """What takes a moment."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def ask(self, question: Callable[[], T]) -> T:
        """What may take seconds."""
        async with self._questions:
            return await self.run(question)

    @asynccontextmanager
    async def holding_a_recording(self) -> AsyncIterator[None]:
        """Keep to this while a whole recording is in memory."""
        async with self._whole:
            yield

    def stop(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
