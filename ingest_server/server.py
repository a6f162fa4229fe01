"""The ingest server as one object: takes the folder, listens, and at the end leaves everything in its files.

async with IngestServer(IngestSettings(port=0)) as server:
    print(server.port)
"""

import asyncio
import errno
import logging
import socket
from types import TracebackType
from typing import Self

from aiohttp import web

from ingest_server import deletion
from ingest_server.app import App, Outlook
from ingest_server.connection import Connection, Crowd
from ingest_server.door import Door
from ingest_server.guard import Guard
from ingest_server.index.summary import ExchangeSummary
from ingest_server.indexer import Indexer
from ingest_server.live import Feed
from ingest_server.lock import FolderLock
from ingest_server.reload import Secrets, taken_over, waiting_for_restart
from ingest_server.server_tls import ServerTls, server_context
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from ingest_server.sweeper import Sweeper
from ingest_server.writer import Writer
from traffic.capture.redact import Redactor, load_redaction_key
from traffic.public_bind import check_bind

BACKLOG = 1024
SHUTDOWN_S = 2.0  # for requests that are being answered

log = logging.getLogger(__name__)


class IngestServer:
    def __init__(self, settings: IngestSettings, *, gives_way: bool = False) -> None:
        """`gives_way`: write with low priority, which suits a process of its own (background.py)."""
        self._settings = settings
        self._gives_way = gives_way
        self._started = settings  # what cannot change meanwhile stays as it was then
        self._crowd = Crowd(settings.limits)
        self._guard = Guard(settings)
        self._parts: tuple[Store, Door, App] | None = None
        self._sockets: list[socket.socket] = []
        self._lock: FolderLock | None = None
        self._writer: Writer | None = None
        self._sweeper: Sweeper | None = None
        self._indexer: Indexer | None = None
        self._runner: web.AppRunner | None = None
        self._feed: Feed | None = None
        self._listeners: list[asyncio.Server] = []
        self._tls: ServerTls | None = None

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Raises PublicBindError, and OSError: the port or `log_dir` is in use (FolderInUseError), or not writable."""
        settings = self._settings
        _check_bind(settings)
        if settings.tls is not None:
            self._tls = ServerTls(server_context(settings.tls))
        self._sockets = _bind(settings.host, settings.port)
        try:
            self._lock = FolderLock(settings.log_dir)
            store = Store(settings)
            deletion.prepare_deletions(store.files.root)
            redactor = Redactor(load_redaction_key(settings.key_dir)) if settings.redact else None
        except BaseException:
            self._release()
            raise
        tally, loop = store.tally, asyncio.get_running_loop()

        def watch(is_watched: bool) -> None:
            tally.watched = is_watched
            indexer.watch(is_watched)

        def publish(summaries: list[ExchangeSummary]) -> None:
            feed.publish([("call", summary) for summary in summaries])

        feed = self._feed = Feed(watch, settings.limits.listeners)
        indexer = self._indexer = Indexer(settings, publish)
        self._writer = Writer(store, feed.publish, indexer.tell, gives_way=self._gives_way)
        self._writer.start()
        indexer.start()
        tally.indexed = indexer.is_on
        self._sweeper = Sweeper(
            settings.log_dir, settings.retention, lambda stems: loop.call_soon_threadsafe(indexer.forget, stems)
        )
        self._sweeper.start()
        door = Door(store.files, tally, redactor)
        app = App(store, door, self._writer, Outlook(feed, indexer), settings)
        self._parts = store, door, app
        self._runner = web.AppRunner(app.build(self._guard), shutdown_timeout=SHUTDOWN_S, handle_signals=False)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        """With connections of our own kind, which aiohttp's sites do not offer."""
        assert self._runner is not None
        server, crowd = self._runner.server, self._crowd
        assert server is not None

        def connect() -> Connection:
            return Connection(server, crowd)

        loop = asyncio.get_running_loop()
        for each in self._sockets:
            self._listeners.append(
                await loop.create_server(
                    connect,
                    sock=each,
                    backlog=BACKLOG,
                    ssl=self._tls.listening if self._tls is not None else None,
                    ssl_handshake_timeout=self._settings.limits.idle_s if self._tls is not None else None,
                )
            )

    async def reload(self, settings: IngestSettings) -> tuple[str, ...]:
        """Take over `settings` without dropping a connection; returns the configuration's keys that wait for a restart.

        Raises PublicBindError, or OSError for TLS files; nothing has changed then.
        """
        merged = taken_over(self._started, settings)
        secrets = await asyncio.get_running_loop().run_in_executor(None, _read, merged)
        self._apply(merged, secrets)
        assert self._indexer is not None
        assert self._parts is not None
        await self._indexer.configure(merged.index)
        self._parts[0].tally.indexed = self._indexer.is_on
        return waiting_for_restart(self._started, settings)

    def _apply(self, settings: IngestSettings, secrets: Secrets) -> None:
        assert self._parts is not None
        assert self._feed is not None
        assert self._sweeper is not None
        store, door, app = self._parts
        self._settings = settings
        self._crowd.limits = store.limits = settings.limits
        self._feed.listeners_max = settings.limits.listeners
        app.configure(settings)
        self._sweeper.policy = settings.retention
        door.redactor = secrets.redactor
        self._guard.configure(settings)
        if self._tls is not None and secrets.tls is not None:
            self._tls.current = secrets.tls

    async def stop(self) -> None:
        """Answer what is being answered, bring everything into the files, let the folder go."""
        if self._feed is not None:
            self._feed.end()
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._parts is not None:
            self._parts[2].stop()
        if self._sweeper is not None:
            self._sweeper.stop()
            self._sweeper = None
        if self._writer is not None:
            await self._writer.stop()
            self._writer = None
        if self._indexer is not None:
            await self._indexer.stop()
            self._indexer = None
        self._release()

    def _release(self) -> None:
        for each in self._sockets:
            each.close()
        self._sockets = []
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _read(settings: IngestSettings) -> Secrets:
    _check_bind(settings)
    return Secrets.read(settings)


def _check_bind(settings: IngestSettings) -> None:
    found = socket.getaddrinfo(settings.host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    warning = check_bind("ingest", settings, {str(address[0]) for *_, address in found})
    if warning is not None:
        log.warning("%s", warning)


def _bind(host: str, port: int) -> list[socket.socket]:
    """One socket, or for `localhost` one for each of its addresses that this machine has, all on one port."""
    if host != "localhost":
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [socket.create_server((host, port), family=family, backlog=BACKLOG)]
    for _attempt in range(20):
        first = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        try:
            return [
                first,
                socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6, backlog=BACKLOG),
            ]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]  # no IPv6 here
            first.close()
            if port:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free on both 127.0.0.1 and ::1")
