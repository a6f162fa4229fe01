"""The player as a whole: serves a library of recordings in the place of their upstreams.

    library = Library(folder)
    library.refresh()
    async with Player(library, PlaySettings(port=0, speed=INSTANT)) as player:
        print(player.url)                       what clients take instead of the recorder's, or the upstream's, address
    print(player.hits, player.misses)

For programs that are not asynchronous: thread.py. What a recording answers is decided by matching.py, what leaves when
by score.py; this says which of them does it, tells `tell` of each answer, and counts.
"""

import asyncio
import errno
import socket
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any, Final, Literal, NamedTuple, Self, TypeVar

from replay.play.answers import FIELD, miss_answer, problem_answer
from replay.play.connection import Connection
from replay.play.dialogue import Script, script_of
from replay.play.library import Library
from replay.play.matching import Candidates, Chosen, Matcher, Turns
from replay.play.miss import Miss, all_played, explain
from replay.play.passing import Passing
from replay.play.question import Question, shown_target
from replay.play.score import Score, with_line
from replay.play.settings import PlaySettings
from replay.play.tasks import TaskOwner
from replay.recordings import RecordingError
from traffic.hosts import is_loopback
from traffic.http1.head import RequestHead
from traffic.llm.dialect import Dialect
from traffic.llm.dialects import BUILT_IN
from traffic.public_bind import PublicBindError

BACKLOG: Final = 4096
SWEEP_INTERVAL_S: Final = 0.5
MISSES_KEPT: Final = 1_000
LANDING_S: Final = 5.0  # how long a recording that was just made is waited for
_LOOK_S: Final = 0.02

_T = TypeVar("_T")


class Told(NamedTuple):
    """One answer, for people."""

    how: Literal["exact", "masked", "prefix", "miss", "forwarded", "refused"]
    method: str
    target: str  # secrets redacted
    status: int
    chosen: Chosen | None = None  # the recording
    miss: Miss | None = None


class Player:
    """`hits` counts answers by `Told.how`; `misses` are the latest. `start` raises PublicBindError and OSError."""

    def __init__(
        self,
        library: Library,
        settings: PlaySettings,
        dialects: Sequence[Dialect] = BUILT_IN,
        tell: Callable[[Told], None] | None = None,
    ) -> None:
        self.settings = settings
        self.port = 0  # the one it listens on, once started
        self.hits: Counter[str] = Counter()
        self.misses: deque[Miss] = deque(maxlen=MISSES_KEPT)
        self.held_bytes = 0  # of requests that are not answered yet
        self._library = library
        self._matcher = Matcher(library, settings, dialects)
        self._turns = Turns(settings.repeat)
        self._tell = tell
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._thread = ThreadPoolExecutor(1, "play")  # reads files, and does what takes long
        self._tasks = TaskOwner()
        self._sweep: asyncio.TimerHandle | None = None
        self._passed = 0  # requests that a recorder has answered
        self._landed = 0  # of those, how many were seen in the folder

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        host = self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        for address in await _addresses(self.settings):
            try:
                server = await loop.create_server(
                    lambda: Connection(self), address, self.port or self.settings.port, backlog=BACKLOG
                )
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and self._servers:  # a family without a loopback here
                    continue
                await self._close_servers()
                raise
            self._servers.append(server)
            self.port = server.sockets[0].getsockname()[1]
        self._sweep = loop.call_later(SWEEP_INTERVAL_S, self._check_deadlines)

    async def stop(self) -> None:
        await self._close_servers()
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._connections):
            connection.transport.abort()
        await self._tasks.stop()
        self._thread.shutdown(wait=False, cancel_futures=True)

    # --- called by the connections

    def admit(self, connection: Connection) -> bool:
        if len(self._connections) >= self.settings.limits.connections:
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def asked(self, connection: Connection, question: Question) -> None:
        candidates = self._matcher.exact(question)
        chosen = self._turns.take(candidates) if candidates is not None else None
        score = self._library.score_at_hand(chosen.entry) if chosen is not None else None
        if chosen is not None and score is not None and not score.is_tunnel:
            self._play(connection, question, chosen, score)
        elif candidates is not None:
            self._tasks.start(self._guarded(connection, self._answer(connection, question, candidates, chosen)))
        else:
            self._tasks.start(self._guarded(connection, self._search(connection, question)))

    def refused(self, status: int, problem: str) -> None:
        self._show(Told("refused", "", "", status, miss=Miss(problem)))

    def missed_in(self, head: RequestHead, problem: str) -> None:
        """Within a WebSocket."""
        target = shown_target(head.target)
        miss = Miss(f"{head.method} {target}: {problem}")
        self.misses.append(miss)
        self._show(Told("miss", head.method, target, 101, miss=miss))

    # --- inside

    async def _guarded(self, connection: Connection, answering: Coroutine[Any, Any, None]) -> None:
        """A defect costs a connection, and leaves no client waiting."""
        try:
            await answering
        except Exception:
            connection.transport.abort()
            raise  # its task's owner tells it

    async def _search(self, connection: Connection, question: Question) -> None:
        candidates = await self._in_thread(lambda: self._find(question))
        if candidates is None:
            await self._miss(connection, question, None)
        else:
            await self._answer(connection, question, candidates, self._turns.take(candidates))

    async def _answer(
        self, connection: Connection, question: Question, candidates: Candidates, chosen: Chosen | None
    ) -> None:
        if chosen is None:
            await self._miss(connection, question, all_played(question, len(candidates.entries)))
            return
        try:
            score, script = await self._in_thread(lambda: self._score(question, chosen))
        except (RecordingError, OSError) as error:
            await self._miss(connection, question, Miss(f"the recording cannot be read any more: {error}"))
            return
        if script is not None:
            connection.converse(script)
            self._count(question, chosen, score.status)
        else:
            self._play(connection, question, chosen, score)

    def _play(self, connection: Connection, question: Question, chosen: Chosen, score: Score) -> None:
        if chosen.how == "prefix":
            score = with_line(score, FIELD + f"prefix; id={chosen.entry.id}".encode())
        connection.play(score)
        self._count(question, chosen, score.status)

    def _count(self, question: Question, chosen: Chosen, status: int) -> None:
        self._show(Told(chosen.how, question.method, question.target, status, chosen))

    async def _miss(self, connection: Connection, question: Question, miss: Miss | None) -> None:
        if self.settings.forward_to is not None:
            await self._pass_on(connection, question, self.settings.forward_to)
            return
        if miss is None:
            miss = await self._in_thread(lambda: explain(question, self._library, self._matcher))
        self.misses.append(miss)
        connection.answer(miss_answer(miss, question.method, closes=not connection.goes_on))
        self._show(Told("miss", question.method, question.target, 404, miss=miss))

    async def _pass_on(self, connection: Connection, question: Question, address: tuple[str, int]) -> None:
        passing = Passing(connection, connection.request_bytes(), question.method)
        try:
            await asyncio.get_running_loop().create_connection(lambda: passing, *address)
        except OSError as error:
            problem = f"the recorder that misses go to does not answer: {error.strerror or error}"
            connection.answer(problem_answer(502, problem, question.method, closes=not connection.goes_on))
            return
        await passing.over
        self._passed += 1
        self._show(Told("forwarded", question.method, question.target, passing.status))

    def _show(self, told: Told) -> None:
        self.hits[told.how] += 1
        if self._tell is not None:
            self._tell(told)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _check_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(SWEEP_INTERVAL_S, self._check_deadlines)
        for connection in list(self._connections):
            connection.check_deadlines(loop.time())

    async def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers = []

    # --- in the player's thread

    def _find(self, question: Question) -> Candidates | None:
        found = self._matcher.find(question)
        if found is None and self.settings.is_growing:
            self._take_up()
            found = self._matcher.find(question)
        return found

    def _take_up(self) -> None:
        """Wait until the recordings of what was passed on are in the folder; routes that are not recorded have none."""
        for _ in range(int(LANDING_S / _LOOK_S)):
            try:
                self._landed += self._library.refresh()
            except OSError:  # the folder cannot be read at the moment
                break
            if self._landed >= self._passed:
                return
            sleep(_LOOK_S)
        self._landed = self._passed

    def _score(self, question: Question, chosen: Chosen) -> tuple[Score, Script | None]:
        score = self._library.score(chosen.entry)
        if not score.is_tunnel:
            return score, None
        key = question.head.value(b"sec-websocket-key") or b""
        return score, script_of(chosen.entry.read(), score, key, self.settings.masks)


async def _addresses(settings: PlaySettings) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(settings.host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    if not settings.insecure_public_bind and not all(map(is_loopback, addresses)):
        raise PublicBindError(
            f"other machines reach {settings.host or 'all addresses'}, and the player asks for no keys: listen on "
            "localhost; --insecure-public-bind lets everyone in nevertheless"
        )
    return addresses
