"""The indexer as the ingest server sees it: tells it what was concluded and deleted, hands on what it answers.

    writer, retention ─▶ waiting (bounded) ─▶ sent (bounded) ─▶ the child process ─▶ feed, metrics, lines on stdout

Nothing here holds up a recording. What finds no room in the queue is not kept in it: the child finds it in the files,
as it does with everything at each of its starts. A child that ends is started again, ever less often; what it had not
answered is sent again, and it is the child itself that passes over an exchange that ended it twice (attempts.py).
Everything runs in the event loop. Built by the server; the API and the commands ask it for `status` and `reindex`.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ingest_server.call_lines import CallLines
from ingest_server.index.orders import (
    Answer,
    Begin,
    CatchUp,
    Concluded,
    Failed,
    Gone,
    Indexed,
    Progress,
    Ready,
    Reindex,
    Stop,
    Told,
    Watch,
)
from ingest_server.index.summary import ExchangeSummary
from ingest_server.indexer_process import IndexerProcess
from ingest_server.llm_figures import LlmFigures
from ingest_server.settings import IndexSettings, IngestSettings
from ingest_server.tasks import TaskOwner

WAITING_MAX = 20_000  # stems
SENT_MAX = 512  # to the child, and not answered
GATHER_S = 0.05  # what is told within it goes to the child together
DRAIN_S = 2.0  # at a stop; what is left is caught up at the next start
RESTART_FIRST_S, RESTART_MAX_S = 0.5, 30.0
STEADY_S = 10.0  # a child that worked so long starts with the first pause again

log = logging.getLogger(__name__)


class IndexStatus(msgspec.Struct, frozen=True):
    state: Literal["off", "starting", "ready", "catching up", "reindexing", "restarting"]
    indexed: int | None  # exchanges in the index; None: not known yet
    waiting: int  # exchanges that have ended and are not in it yet
    done: int | None  # recordings, by the catching up or reindexing at work
    total: int | None  # 0 until they are counted
    problem: str | None  # why it was started again


class Indexer:
    def __init__(self, settings: IngestSettings, publish: Callable[[list[ExchangeSummary]], None]) -> None:
        """`publish` is given the summaries of what has been indexed, while `watch` says that someone wants them."""
        self.figures = LlmFigures()
        self._log_dir = settings.log_dir
        self._settings = settings.index
        self._publish = publish
        self._lines = CallLines()
        self._tasks = TaskOwner()
        self._keeper: asyncio.Task[None] | None = None
        self._child: IndexerProcess | None = None
        self._is_ready = False  # the child has opened the index
        self._is_stopping = False
        self._is_watched = False
        self._waiting: deque[str] = deque()
        self._sent: deque[str] = deque()
        self._gone: list[str] = []
        self._gathering: asyncio.TimerHandle | None = None
        self._missed: str | None = None  # the oldest name of what found no room
        self._reindexes: list[Reindex] = []  # ordered, and not ended; the first one is at work
        self._progress: Progress | None = None
        self._indexed: int | None = None
        self._problem: str | None = None
        self._started_ns = time.time_ns()

    @property
    def is_on(self) -> bool:
        return self._keeper is not None

    @property
    def status(self) -> IndexStatus:
        progress = self._progress
        return IndexStatus(
            state=self._state(),
            indexed=self._indexed,
            waiting=len(self._waiting) + len(self._sent),
            done=progress.done if progress is not None else None,
            total=progress.total if progress is not None else None,
            problem=self._problem,
        )

    def start(self) -> None:
        """Where the settings want it; returns before the child is there."""
        if self._settings.enabled and self._keeper is None:
            self._is_stopping = False
            self._keeper = self._tasks.start(self._keep())

    async def stop(self) -> None:
        """Bring into the index what can be within DRAIN_S."""
        if self._keeper is None:
            return
        self._is_stopping = True
        if self._is_ready:
            self._send()
            await asyncio.wait([self._keeper], timeout=DRAIN_S)
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        await self._tasks.stop()
        self._keeper = None
        await asyncio.to_thread(self._lines.end)

    async def configure(self, settings: IndexSettings) -> None:
        """Take over new settings: the child is replaced by one that has them."""
        if settings != self._settings:
            await self.stop()
            self._settings = settings
            self.start()

    def tell(self, stems: list[str]) -> None:
        """Exchanges have been concluded."""
        if self._keeper is None:
            return
        room = WAITING_MAX - len(self._waiting)
        self._waiting.extend(stems[:room])
        self._miss(stems[room:])
        self._send_soon()

    def forget(self, stems: list[str]) -> None:
        """Exchanges have been deleted. Those that find no room are missed when the index is brought up to the files."""
        if self._keeper is None:
            return
        self._gone += stems[: WAITING_MAX - len(self._gone)]
        self._send_soon()

    def watch(self, is_watched: bool) -> None:
        self._is_watched = is_watched
        if self._child is not None:
            self._child.send(Watch(is_watched))

    def reindex(self, order: Reindex) -> None:
        """Begin, or wait for those that were ordered before; `status` tells how far it is."""
        if order in self._reindexes:
            return
        self._reindexes.append(order)
        if self._child is not None and self._is_ready:
            self._child.send(order)

    def _state(self) -> Literal["off", "starting", "ready", "catching up", "reindexing", "restarting"]:
        if self._keeper is None:
            return "off"
        if not self._is_ready:
            return "starting" if self._problem is None else "restarting"
        if self._reindexes:
            return "reindexing"
        return "ready" if self._progress is None else "catching up"

    # --- to the child

    def _send_soon(self) -> None:
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_S, self._send)

    def _send(self) -> None:
        self._gathering = None
        child = self._child
        if child is None or not self._is_ready:
            return
        if self._gone:
            child.send(Gone(self._gone))
            self._gone = []
        count = min(len(self._waiting), SENT_MAX - len(self._sent))
        if count > 0:
            stems = [self._waiting.popleft() for _ in range(count)]
            self._sent.extend(stems)
            child.send(Concluded(stems))
        if self._waiting:
            return  # goes on with the next answer
        if self._missed is not None:
            child.send(CatchUp(_start_us(self._missed)))
            self._missed = None
        if self._is_stopping:
            child.send(Stop())

    def _miss(self, stems: list[str]) -> None:
        for name in map(os.path.basename, stems):
            self._missed = min(self._missed or name, name)

    # --- the child

    async def _keep(self) -> None:
        """Keep a child at work until the stop."""
        pause_s = RESTART_FIRST_S
        while not self._is_stopping:
            began_s = time.monotonic()
            await self._run_child()
            if self._is_stopping:
                return
            log.warning("the indexer %s; it is started again, and nothing is lost", self._problem)
            if time.monotonic() - began_s > STEADY_S:
                pause_s = RESTART_FIRST_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RESTART_MAX_S)

    async def _run_child(self) -> None:
        """One child, from its start to its end, of which `problem` tells then."""
        try:
            child = self._child = await IndexerProcess.start()
        except OSError as error:
            self._problem = f"cannot be started: {error}"
            return
        failure = None
        try:
            child.send(Begin(str(self._log_dir), self._settings, self._started_ns, self._is_watched))
            async for answer in child.answers():
                if isinstance(answer, Failed):
                    failure = answer.text
                else:
                    self._take(answer, child)
        except ValueError as error:
            failure = f"said what nobody understands: {error}"
        finally:
            self._child, self._is_ready, self._progress = None, False, None
            self._waiting.extendleft(reversed(self._sent))
            self._sent.clear()
            code = await child.end()
            self._problem = failure or f"ended with {code}"

    def _take(self, answer: Answer, child: IndexerProcess) -> None:
        if isinstance(answer, Indexed):
            self._take_indexed(answer)
            self._send()
        elif isinstance(answer, Progress):
            self._progress = None if answer.ended else answer
            if answer.ended and answer.job == "reindex":
                self._reindexes.pop(0)
        elif isinstance(answer, Told):
            log.log(answer.level, "%s", answer.text)
        elif isinstance(answer, Ready):
            self._is_ready, self._indexed = True, answer.indexed
            child.send(CatchUp(None))
            self._progress = Progress("catch up", 0, 0)
            for order in self._reindexes:
                child.send(order)
            self._send()

    def _take_indexed(self, answer: Indexed) -> None:
        for _ in range(answer.concluded):
            self._sent.popleft()
        self._indexed = answer.indexed
        self._problem = None
        self.figures.add(answer.sums, time.monotonic())
        if answer.lines:
            self._lines.put(answer.lines)
        if answer.summaries:
            self._publish(answer.summaries)


def _start_us(name: str) -> int:
    """When the exchange of that name began, to the millisecond."""
    moment = datetime.strptime(name[:23], "%Y-%m-%d_%H-%M-%S.%f").replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000) * 1000
