"""Where a fault happens: a recorder and an ingest server as processes, a client and an upstream that count.

The services keep their ports over restarts. These are below the range from which the system takes ports for outgoing
connections: a client that asks for a port where nobody listens at the moment must not be given that port itself.
"""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from ingest_server.settings import IngestSettings, Retention
from recorder.settings import Capture, Console, RecorderSettings, Route, Timeouts
from tests.e2e.service import Service
from tests.faults.client import CountingClient
from tests.faults.ledger import Allowed, Kill, Sums, add_up
from tests.faults.orders import Order
from tests.faults.upstream import CountingUpstream
from traffic.capture.names import is_uuid

SEED_VARIABLE = "RECORDER_FAULT_SEED"
LOST_WINDOW_S = (
    1.0  # how old the youngest thing may be that a killed `batched` recorder loses: 5 ms, and a busy machine
)
DRAINED_S = 30.0
_PORTS = range(20_000, 32_000)


class Stage:
    def __init__(self, folder: Path, seed: int) -> None:
        self.log_dir = folder / "logs"
        self.journal_dir = folder / "journal"
        self.seed = seed
        self.random = Random(seed)
        self.client = CountingClient()
        self.upstream = CountingUpstream()
        self.kills: list[Kill] = []  # of the recorder
        self.recorder: Service | None = None
        self.ingest: Service | None = None
        self.recorder_port, self.ingest_port = _free_ports()
        self._number = 0
        self._capture: dict[str, Any] = {}
        self._settings: dict[str, Any] = {}
        self.retention = Retention()

    async def __aenter__(self) -> Self:
        await self.upstream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in (self.recorder, self.ingest):
            if service is not None:
                await service.kill()
        await self.upstream.__aexit__(kind, error, trace)

    # --- the services

    def set(self, *, capture: dict[str, Any] | None = None, **settings: Any) -> None:
        """Fields of Capture and RecorderSettings, for every start from now on."""
        self._capture |= capture or {}
        self._settings |= settings

    @property
    def durability(self) -> str:
        return str(self._capture.get("durability", "batched"))

    async def start_recorder(
        self, file_bytes_max: int | None = None, environment: dict[str, str] | None = None
    ) -> None:
        capture = Capture(server_url=f"http://127.0.0.1:{self.ingest_port}", journal_dir=self.journal_dir)
        route = Route("lm", "/lm/", f"http://127.0.0.1:{self.upstream.port}/", timeouts=Timeouts(10, 60))
        settings = RecorderSettings(
            host="127.0.0.1",
            port=self.recorder_port,
            routes=(route,),
            console=Console(enabled=False),
            capture=replace(capture, **self._capture),
            grace_s=5,
        )
        self.recorder = Service(replace(settings, **self._settings), file_bytes_max, environment)
        await self.recorder.start()

    async def start_ingest(self, file_bytes_max: int | None = None, environment: dict[str, str] | None = None) -> None:
        settings = IngestSettings("127.0.0.1", self.ingest_port, self.log_dir, key_dir=self.journal_dir)
        settings = replace(settings, retention=self.retention)
        self.ingest = Service(settings, file_bytes_max, environment)
        await self.ingest.start()

    async def start(self) -> None:
        await self.start_ingest()
        await self.start_recorder()

    async def kill_ingest(self) -> None:
        assert self.ingest is not None
        ingest, self.ingest = self.ingest, None
        await ingest.kill()

    async def kill_recorder(self) -> None:
        assert self.recorder is not None
        recorder, self.recorder = self.recorder, None
        with self.killing():
            await recorder.kill()

    @contextmanager
    def killing(self) -> Iterator[None]:
        """Around what kills a recorder, until it is gone."""
        sent_s = time.monotonic()
        yield
        self.kills.append(Kill(sent_s, time.monotonic()))

    # --- the load

    def order(self, kind: str, pieces: int = 1, pause_ms: int = 0) -> Order:
        self._number += 1
        return Order(kind, self.seed, self._number, pieces, pause_ms)

    def mixed(self, count: int) -> Iterator[Order]:
        """Orders of all kinds, of which half are streams."""
        for _ in range(count):
            kind = self.random.choice(("json", "sse", "sse", "body", "websocket"))
            yield self.order(kind, pieces=self.random.randint(1, 30), pause_ms=self.random.randint(1, 40))

    async def send_all(self, *orders: Order) -> None:
        await self.client.send_all(self.recorder_port, orders)

    # --- the end

    async def drain(self) -> None:
        """Stop both, once all journals are stored; start a recorder again where one stop was too short for that."""
        if self.ingest is None:
            await self.start_ingest()
        async with asyncio.timeout(DRAINED_S):
            while self.recorder is not None or self._journals():
                if self.recorder is None:
                    await self.start_recorder()
                assert self.recorder is not None
                recorder, self.recorder = self.recorder, None
                await recorder.stop()
        assert self.ingest is not None
        ingest, self.ingest = self.ingest, None
        await ingest.stop()

    async def add_up(self, **allowed: Any) -> Sums:
        """Drain, and compare what was counted with what was stored."""
        await self.drain()
        if self.kills:
            window_s = LOST_WINDOW_S if self.durability == "batched" else 0.0
            allowed = {"kills": self.kills, "window_s": window_s, **allowed}
        return add_up(self.client, self.upstream, self.log_dir, self.journal_dir, Allowed(**allowed))

    def _journals(self) -> list[str]:
        return [path.name for path in self.journal_dir.iterdir() if is_uuid(path.name)]


def _free_ports() -> tuple[int, int]:
    """From an own random source: two runs with one seed side by side must not want the same."""
    choose = Random()
    found: list[int] = []
    while len(found) < 2:
        port = choose.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found[0], found[1]
