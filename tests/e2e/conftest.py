"""A recorder and its ingest server in the test's own process, on free ports, with folders below tmp_path."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ingest_server.server import IngestServer
from ingest_server.settings import IndexSettings, IngestSettings
from recorder.relay.tls import tls_context
from recorder.server import Recorder
from recorder.settings import Capture, Limits, RecorderSettings, Route, Timeouts
from replay.verify import verify
from tests.e2e.recorded import Recorded, load
from tests.e2e.scripted import Peer, connect, until

ON_BOTH_LOOPS = (
    "test_wire.py",
    "test_connections.py",
    "test_websocket.py",
    "test_outbound_proxy.py",
    "test_tls_listener.py",
)
TIMEOUTS = Timeouts(connect_s=10, idle_s=60)


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that ships: uvloop, where it installs. What depends on the loop's own ways runs on both."""
    if sys.platform == "win32":
        return {"asyncio": asyncio.new_event_loop}
    import uvloop

    both = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return both if item.path.name in ON_BOTH_LOOPS else {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def fresh_trust() -> Iterator[None]:
    """The recorder loads the trust store once; each test has its own."""
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


def to(port: int, name: str = "lm", **changes: Any) -> Route:
    """A route `/lm/` to a server on this machine."""
    route = Route(name, f"/{name}/", f"http://127.0.0.1:{port}/", timeouts=TIMEOUTS)
    return replace(route, **changes)


class Flight:
    def __init__(self, folder: Path) -> None:
        self.log_dir = folder / "logs"
        self.journal_dir = folder / "journal"
        self.recorder: Recorder | None = None
        self.ingest: IngestServer | None = None
        self.ingest_port = 0
        self._clients: list[Peer] = []

    async def start_ingest(self, **settings: Any) -> None:
        """`settings`: any field of IngestSettings. Without `index` there is none."""
        defaults = IngestSettings(
            "127.0.0.1", self.ingest_port, self.log_dir, key_dir=self.journal_dir, index=IndexSettings(enabled=False)
        )
        self.ingest = IngestServer(replace(defaults, **settings))
        await self.ingest.start()
        self.ingest_port = self.ingest.port

    async def start_recorder(self, *routes: Route, capture: Capture | None = None, **settings: Any) -> None:
        capture = replace(capture or Capture(), journal_dir=self.journal_dir)
        if capture.server_url == Capture().server_url:
            capture = replace(capture, server_url=f"http://127.0.0.1:{self.ingest_port}")
        defaults = RecorderSettings(host="127.0.0.1", port=0, routes=routes, capture=capture, grace_s=5)
        self.recorder = Recorder(replace(defaults, **settings))
        await self.recorder.start()

    async def start(self, *routes: Route, capture: Capture | None = None, **settings: Any) -> None:
        """`settings`: any field of RecorderSettings."""
        await self.start_ingest()
        await self.start_recorder(*routes, capture=capture, **settings)

    @staticmethod
    def limits(**changes: Any) -> Limits:
        return replace(Limits(), **changes)

    @property
    def port(self) -> int:
        assert self.recorder is not None
        return self.recorder.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # What a client cannot see.

    @property
    def client_connections(self) -> int:
        assert self.recorder is not None
        return sum(not client.flow.transport.is_closing() for client in self.recorder._context.clients)

    @property
    def upstream_connections(self) -> int:
        assert self.recorder is not None
        return self.recorder._context.pool.open_connections

    @property
    def client_buffer_bytes(self) -> int:
        """Bytes in memory that clients have not taken."""
        assert self.recorder is not None
        return sum(each.flow.transport.get_write_buffer_size() for each in self.recorder._context.clients)

    @property
    def is_held_by_its_client(self) -> bool:
        """Whether the one upstream connection in use is not read, because the client takes no more."""
        assert self.recorder is not None
        (client,) = self.recorder._context.clients
        leg = client.exchange.leg if client.exchange is not None else None
        return leg is not None and leg.connection is not None and leg.connection.flow.is_held_by_peer

    @property
    def is_held_by_its_upstream(self) -> bool:
        """Whether the one client is not read, because the upstream takes no more."""
        assert self.recorder is not None
        (client,) = self.recorder._context.clients
        return client.flow.is_held_by_peer

    @property
    def is_held_by_the_journal(self) -> bool:
        """Whether the one upstream connection in use is not read, because the way to the journal is full."""
        assert self.recorder is not None
        clients = self.recorder._context.clients
        legs = [client.exchange.leg for client in clients if client.exchange is not None]
        return any(leg and leg.connection and leg.connection.flow.is_held_by_queue for leg in legs)

    @property
    def paused_clients(self) -> int:
        """How many connections are not read because the way to the journal is full."""
        assert self.recorder is not None
        context = self.recorder._context
        return sum(client in context.queue._waiting for client in context.clients)

    async def wait_until_written(self) -> None:
        """Until what was recorded lies in the journal."""
        assert self.recorder is not None
        queue = self.recorder._context.queue
        await until(lambda: queue.waiting_bytes == 0, "the journal has it")

    async def wait_until_shipped(self) -> None:
        """Until the ingest server has stored the journal."""
        assert self.recorder is not None
        shipper = self.recorder._shipper
        await until(lambda: shipper.failure is None, "the link works")
        await until(lambda: not self.recorder._context.queue.drops, "there is room again")  # type: ignore[union-attr]

    async def start_second_recorder(self) -> None:
        """With the same folder."""
        assert self.recorder is not None
        settings = self.recorder.settings
        await Recorder(settings).start()

    async def connect(self, port: int | None = None) -> Peer:
        """A client of the recorder, or of what stands before it."""
        client = await connect(port or self.port)
        self._clients.append(client)
        return client

    async def send(self, request: bytes) -> tuple[bytes, Peer]:
        """What a client gets for one request, up to the response's end, and the client."""
        client = await self.connect()
        await client.send(request)
        return await client.read_message(), client

    async def close_clients(self) -> None:
        for client in self._clients:
            await client.leave()

    async def stop_recorder(self, grace_s: float | None = None) -> None:
        if self.recorder is not None:
            recorder, self.recorder = self.recorder, None
            await recorder.stop(grace_s)

    async def land(self, grace_s: float | None = None) -> list[Recorded]:
        """Stop both; what they recorded, in which `verify` finds no fault."""
        await self.stop_recorder(grace_s)
        if self.ingest is not None:
            ingest, self.ingest = self.ingest, None
            await ingest.stop()
        report = verify(self.log_dir)
        assert report.faults == ()
        return load(self.log_dir)


@pytest_asyncio.fixture
async def flight(tmp_path: Path) -> AsyncIterator[Flight]:
    flight = Flight(tmp_path)
    yield flight
    await flight.close_clients()
    await flight.stop_recorder(0)
    if flight.ingest is not None:
        await flight.ingest.stop()


@pytest.fixture(scope="session")
def llama_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A llama.cpp server with a model of random weights, in a process of its own."""
    pytest.importorskip("xllamacpp", reason="llama.cpp's server (PyPI xllamacpp) has wheels for Linux only")
    folder = tmp_path_factory.mktemp("llama")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    command = [sys.executable, "-m", "tests.e2e.tiny_model", str(folder / "tiny.gguf"), str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"http://127.0.0.1:%d\n" % port
        yield port
    finally:
        process.kill()
        process.communicate()
