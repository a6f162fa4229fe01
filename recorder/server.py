"""The recorder as a whole: builds its parts, listens, and stops them in reverse order.

async with Recorder(settings) as recorder:
    print(recorder.urls)
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from dataclasses import replace
from typing import Self

from recorder.capture.journal import Journal, JournalFolder
from recorder.capture.queue import FrameQueue
from recorder.capture.report import Reporter
from recorder.capture.shipper import Shipper
from recorder.capture.tap import Ledger, Tap
from recorder.capture.vault import VaultKeeper
from recorder.console import ConsoleWriter, StoppedLine, size
from recorder.endpoints import OwnPages
from recorder.parts import CaptureParts
from recorder.relay.client import ClientConnection
from recorder.relay.context import Context
from recorder.relay.plan import Planner
from recorder.relay.pool import Pool
from recorder.reload import Rules, taken_over, waiting_for_restart
from recorder.routing.routes import Target, build_table
from recorder.routing.table import RoutingTable
from recorder.server_tls import ServerTls, server_context
from recorder.settings import RecorderSettings
from recorder.tasks import TaskOwner
from traffic.capture.events import Gap, encode
from traffic.capture.frames import Kind, encode_frame
from traffic.capture.redact import Redactor, load_redaction_key
from traffic.public_bind import check_bind

SWEEP_INTERVAL_S = 0.5
DRAIN_S = 5.0  # for what is in the journal at a stop, while the ingest server answers
BACKLOG = 4096

log = logging.getLogger(__name__)


class Recorder:
    """Raises PublicBindError, RoutingError for patterns in conflict, JournalLockedError, and OSError."""

    def __init__(self, settings: RecorderSettings) -> None:
        self.settings = settings
        self._started = settings  # what cannot change meanwhile stays as it was then
        self.port = 0  # the one it listens on, once started
        self._tls: ServerTls | None = None
        self._servers: list[asyncio.Server] = []
        self._sweep: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def urls(self) -> dict[str, str]:
        """The base URL of each route, by its name."""
        scheme = "http" if self.settings.tls is None else "https"
        base = f"{scheme}://{self.settings.host}:{self.port}"
        return {route.name: base + "/" + route.pattern.partition("/")[2] for route in self.settings.routes}

    @property
    def upstream_errors(self) -> dict[str, str]:
        """The last one of each route whose upstream has failed."""
        return {route: error.text for route, error in self._context.upstream_errors.latest.items()}

    @property
    def ledger(self) -> Ledger:
        return self._context.tap.ledger

    async def start(self) -> None:
        _check_bind(self.settings)
        if self.settings.tls is not None:
            self._tls = ServerTls(server_context(self.settings.tls))
        sockets = _listening_sockets(self.settings.host, self.settings.port)
        try:
            self.port = sockets[0].getsockname()[1]
            self._start_capture(replace(self.settings, port=self.port))
        except BaseException:
            for listening in sockets:
                listening.close()
            raise
        loop = asyncio.get_running_loop()
        for listening in sockets:
            self._servers.append(
                await loop.create_server(
                    lambda: ClientConnection(self._context),
                    sock=listening,
                    backlog=BACKLOG,
                    ssl=self._tls.listening if self._tls is not None else None,
                    ssl_handshake_timeout=self.settings.limits.head_read_s if self._tls is not None else None,
                )
            )
        self._sweep = loop.call_later(SWEEP_INTERVAL_S, self._check_deadlines)

    async def reload(self, settings: RecorderSettings) -> tuple[str, ...]:
        """Take over `settings` without dropping a connection; returns the configuration's keys that wait for a restart.

        Exchanges that run end by the routes that they began with; the next requests, of open connections too, go by the
        new ones. Raises RoutingError, PublicBindError, or OSError for TLS files; nothing has changed then.
        """
        merged = taken_over(self._started, settings)
        rules = await asyncio.get_running_loop().run_in_executor(None, _read, replace(merged, port=self.port))
        self.settings = merged
        self._apply(rules)
        return waiting_for_restart(self._started, settings)

    async def stop(self, grace_s: float | None = None) -> None:
        """Let running exchanges end for at most `grace_s` seconds, then end them; write and ship what was recorded."""
        context = self._context
        context.is_stopping = True
        for server in self._servers:
            server.close()
        context.is_empty.clear()
        for client in list(context.clients):
            client.close_if_idle()
        if context.clients:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(context.is_empty.wait(), self.settings.grace_s if grace_s is None else grace_s)
        for client in list(context.clients):
            if client.exchange is not None:
                client.exchange.shut_down()
            client.flow.transport.abort()
        if self._sweep is not None:
            self._sweep.cancel()
        await context.tasks.stop()
        context.pool.close()
        await self._stop_capture()

    def _start_capture(self, settings: RecorderSettings) -> None:
        table = build_table(settings)
        capture = settings.capture
        self._folder = JournalFolder(capture.journal_dir)
        self._journal: Journal = self._folder.new()
        self._shipper = Shipper(capture, self._journal, self._folder.left_behind(self._journal))
        queue = FrameQueue(capture, self._journal, lambda: self._shipper.left_behind_bytes, settings.limits.queue_bytes)
        redactor = Redactor(load_redaction_key(capture.journal_dir)) if capture.redact else None
        vault = None if capture.vault is None else VaultKeeper(capture.vault, load_redaction_key(capture.journal_dir))
        self._context = Context(
            settings=settings,
            queue=queue,
            tap=Tap(queue),
            redactor=redactor,
            console=ConsoleWriter(settings.console),
            pool=Pool(settings.limits, settings.proxy),
            tasks=TaskOwner(),
            planner=_planner(settings, table, redactor),
            vault=vault,
        )
        reporter = Reporter(settings.port, self._journal, self._context.tap.ledger, queue, self._shipper)
        parts = CaptureParts(self._journal, queue, self._shipper, reporter, vault)
        self._context.own_page = OwnPages(self._context, self._journal, self._shipper, parts)
        self._shipper.status = reporter.status
        self._shipper.start()

    def _apply(self, rules: Rules) -> None:
        context, settings = self._context, rules.settings
        retired, context.planner = context.planner, _planner(settings, rules.table, rules.redactor)
        retired.retire()
        context.settings = settings
        context.redactor = rules.redactor
        context.console.configure(settings.console)
        context.pool.configure(settings.limits, settings.proxy)
        context.queue.configure(settings.capture, settings.limits.queue_bytes)
        for client in context.clients:
            client.reader.limits = settings.limits.message
        self._shipper.configure(settings.capture)
        if self._tls is not None and rules.tls is not None:
            self._tls.current = rules.tls

    async def _stop_capture(self) -> None:
        context, loop = self._context, asyncio.get_running_loop()
        context.tap.end()
        unwritten = await context.queue.stop(DRAIN_S)
        gaps = context.tap.give_up(unwritten)
        if unwritten:
            log.error("%d frames could not be written to the journal: %s", len(unwritten), context.queue.failure)
        if not context.queue.is_stuck:
            try:
                await loop.run_in_executor(None, self._close_journal, gaps)
            except OSError as error:
                log.error("the journal's end could not be written, the next start does it: %s", error)
        await loop.run_in_executor(None, self._shipper.stop, DRAIN_S)
        if context.vault is not None:
            await loop.run_in_executor(None, context.vault.stop, DRAIN_S)
        left = self._journal.bytes_on_disk + self._shipper.left_behind_bytes
        if left:
            log.warning("%s wait in the journal for the next start", size(left))
        ledger = context.tap.ledger
        context.console.stop(StoppedLine(time.time(), ledger.recorded, ledger.recorded_bytes, ledger.lost))
        self._folder.close()

    def _close_journal(self, gaps: list[Gap]) -> None:
        for gap in gaps:
            self._journal.append(encode_frame(Kind.GAP, 0, 0, 0, [encode(gap)]))
        self._journal.close("shutdown")

    def _check_deadlines(self) -> None:
        now_s = time.monotonic()
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_INTERVAL_S, self._check_deadlines)
        for client in list(self._context.clients):
            client.check_deadlines(now_s)
        self._context.pool.expire(now_s)


def _check_bind(settings: RecorderSettings) -> None:
    found = socket.getaddrinfo(settings.host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    warning = check_bind("server", settings, {str(address[0]) for *_, address in found})
    if warning is not None:
        log.warning("%s", warning)


def _read(settings: RecorderSettings) -> Rules:
    _check_bind(settings)
    return Rules.read(settings)


def _planner(settings: RecorderSettings, table: RoutingTable[Target], redactor: Redactor | None) -> Planner:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return Planner(settings, table, redactor, f"{host}:{settings.port}".encode())


def _listening_sockets(host: str, port: int) -> list[socket.socket]:
    """One for each address of `host`, all with the same port, also where `port` is 0 (any free one)."""
    sockets: list[socket.socket] = []
    addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, address in dict.fromkeys(addresses):
            try:
                listening = socket.socket(family, kind, protocol)
            except OSError:
                continue  # a family that this machine does not have
            sockets.append(listening)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if os.name == "posix":  # on Windows it would let a second process take the same port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            chosen = sockets[0].getsockname()[1] if len(sockets) > 1 else port
            try:
                listening.bind((address[0], chosen, *address[2:]))
            except OSError as error:
                sockets.remove(listening)
                listening.close()
                if error.errno == errno.EADDRNOTAVAIL and sockets:  # a family without a loopback here
                    continue
                raise
            listening.setblocking(False)
    except OSError:
        for listening in sockets:
            listening.close()
        raise
    return sockets
