"""A server for the tests of the wire client: it takes requests of known lengths and answers what the test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from replay.sender import Request

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"POST /v1/chat HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
DATA = HEAD + b"{}"
OK = b"HTTP/1.1 200 OK\r\n"
ANSWER = OK + b"Content-Length: 3\r\n\r\nabc"


@dataclass(slots=True)
class Server:
    port: int = 0
    connections: int = 0
    received: list[bytes] = field(default_factory=list)

    def request(self, method: str = "POST") -> Request:
        return Request("127.0.0.1", self.port, False, method, DATA.replace(b"POST", method.encode()))


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """`serve` is called for each connection, which is closed behind it."""
    state = Server()
    tasks = set[asyncio.Task[None]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes | None:
    """One like DATA; None: the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(2)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def answering(*answers: bytes) -> Serve:
    """Answer one request a connection with `answers`, each sent when the client may have read the one before."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for answer in answers:
            writer.write(answer)
            await writer.drain()
            await asyncio.sleep(0)

    return serve


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keeps the connection open."""
    while await read_request(reader) is not None:
        writer.write(ANSWER)
