"""The ingest server as one object: takes the folder, listens, and at the end leaves everything in its files.

async with IngestServer(IngestSettings(port=0)) as server:
    print(server.port)
"""

import errno
import socket
from types import TracebackType
from typing import Self

from aiohttp import web

from ingest_server.app import App, is_local
from ingest_server.door import Door
from ingest_server.live import Feed
from ingest_server.lock import FolderLock
from ingest_server.server_tls import ServerTls, server_context
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from ingest_server.writer import Writer
from traffic.capture.redact import Redactor, load_redaction_key

BACKLOG = 1024
SHUTDOWN_S = 2.0  # for requests that are being answered
READ_BYTES = 256 * 1024


class IngestServer:
    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._sockets: list[socket.socket] = []
        self._lock: FolderLock | None = None
        self._writer: Writer | None = None
        self._runner: web.AppRunner | None = None
        self._feed: Feed | None = None
        self._tls: ServerTls | None = None

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Raises OSError: the port is in use, or `log_dir` is (FolderInUseError) or cannot be written."""
        settings = self._settings
        if settings.tls is not None:
            self._tls = ServerTls(server_context(settings.tls))
        self._sockets = _listen(settings.host, settings.port)
        try:
            self._lock = FolderLock(settings.log_dir)
            store = Store(settings)
            redactor = Redactor(load_redaction_key(settings.key_dir)) if settings.redact else None
        except BaseException:
            self._release()
            raise
        tally = store.tally

        def watch(is_watched: bool) -> None:
            tally.watched = is_watched

        self._feed = Feed(watch)
        self._writer = Writer(store, self._feed.publish)
        self._writer.start()
        app = App(
            store, Door(store.files, tally, redactor), self._writer, self._feed, only_local=is_local(settings.host)
        )
        self._runner = web.AppRunner(
            app.build(), access_log=None, shutdown_timeout=SHUTDOWN_S, read_bufsize=READ_BYTES, handle_signals=False
        )
        await self._runner.setup()
        for each in self._sockets:
            context = self._tls.listening if self._tls is not None else None
            await web.SockSite(self._runner, each, ssl_context=context, backlog=BACKLOG).start()

    async def stop(self) -> None:
        """Answer what is being answered, bring everything into the files, let the folder go."""
        if self._feed is not None:
            self._feed.end()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._writer is not None:
            await self._writer.stop()
            self._writer = None
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


def _listen(host: str, port: int) -> list[socket.socket]:
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
