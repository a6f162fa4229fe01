"""The logging origin: reads what the recorder forwards with the strict judge, and answers as it is told."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

import h11

from tests.attack.strict import AmbiguousError, Message, read_request
from tests.e2e.scripted import until


class Answer(NamedTuple):
    data: bytes
    ends: bool = False  # the connection ends behind it


class Origin:
    """`messages` were read whole, `rests` stood behind them when a connection ended, `problems` were no HTTP."""

    def __init__(self, answer: Callable[[Message], Answer]) -> None:
        self.answer = answer
        self.messages: list[Message] = []
        self.rests: list[bytes] = []
        self.problems: list[str] = []
        self.port = 0
        self.connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for transport in list(self.connections):
            transport.abort()
        await until(lambda: not self.connections, "the origin's connections have gone")


class _Connection(asyncio.Protocol):
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's is one in all but its type
        self._origin.connections.add(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            while self._data and (message := read_request(self._data)) is not None:
                self._data = self._data[len(message.raw) :]
                self._origin.messages.append(message)
                answer = self._origin.answer(message)
                self._transport.write(answer.data)
                if answer.ends:
                    self._transport.close()
                    return
        except (h11.RemoteProtocolError, AmbiguousError) as error:
            self._origin.problems.append(f"{error}: {self._data!r}")
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 how it ended makes no difference
        self._origin.connections.discard(self._transport)
        if self._data:
            self._origin.rests.append(self._data)
