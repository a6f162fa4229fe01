"""Raw TCP on both ends of a test: an upstream that plays bytes with events between them, and the same kind of client.

A test that tells both sides what to do accepts the upstream's connections itself (`await upstream.accept()`); where the
upstream acts by itself it gets a script, which runs for each connection. An error in a script fails the test.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable

from tests.e2e.listening import READ_BYTES, Listening
from tests.e2e.wire import reset

PATIENCE_S = 10.0  # for what must happen, on a busy machine


class Peer:
    """One end of a connection; keeps what it sent and received."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received = bytearray()
        self.sent_bytes = 0

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError where the other side has ended the connection."""
        if self.writer.transport.is_closing():  # uvloop's transport would raise RuntimeError
            raise ConnectionResetError("the other side has ended the connection")
        self.writer.write(data)
        self.sent_bytes += len(data)
        await self.writer.drain()

    async def read_exactly(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            try:
                data = await self.reader.readexactly(count)
            except asyncio.IncompleteReadError as error:
                raise AssertionError(f"the connection ended behind {error.partial!r}") from None
        self.received += data
        return data

    async def read_until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            data = await self.reader.readuntil(end)
        self.received += data
        return data

    async def read_to_end(self) -> bytes:
        """All up to the end of the stream; a reset raises ConnectionResetError."""
        data = bytearray()
        async with asyncio.timeout(PATIENCE_S):
            while block := await self.reader.read(READ_BYTES):
                data += block
        self.received += data
        return bytes(data)

    async def read_message(self) -> bytes:
        """One request or response: its head, and its body by Content-Length or chunks without trailers."""
        head = await self.read_until(b"\r\n\r\n")
        fields = head.lower()
        if b"\r\ntransfer-encoding: chunked" in fields:
            return head + await self.read_until(b"0\r\n\r\n")
        _, found, rest = fields.partition(b"\r\ncontent-length:")
        return head + await self.read_exactly(int(rest.partition(b"\r\n")[0])) if found else head

    async def wait_closed(self) -> None:
        """Until the other side has ended or reset the connection; what comes before is thrown away."""
        with contextlib.suppress(ConnectionError):
            await self.read_to_end()

    def end(self) -> None:
        """Send FIN; reading goes on."""
        self.writer.write_eof()

    def close(self) -> None:
        self.writer.close()

    async def leave(self) -> None:
        """Close, and wait until the socket is gone."""
        self.writer.close()
        with contextlib.suppress(OSError):  # ssl.SSLError is one
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Send RST at once."""
        reset(self.writer)


Script = Callable[[Peer], Awaitable[None]]


class ScriptedUpstream(Listening):
    def __init__(
        self, script: Script | None = None, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(host, tls)
        self.peers: list[Peer] = []  # in the order of their connections
        self._script = script
        self._accepted: asyncio.Queue[Peer] = asyncio.Queue()

    async def accept(self) -> Peer:
        async with asyncio.timeout(PATIENCE_S):
            return await self._accepted.get()

    async def accept_request(self, client: Peer, request: bytes) -> Peer:
        """Have `client` send a request that opens a connection here, and read it whole."""
        await client.send(request)
        behind = await self.accept()
        await behind.read_message()
        return behind

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self._accepted.put_nowait(peer)
        if self._script is not None:
            await self._script(peer)
        else:
            await asyncio.Event().wait()  # the test has the connection until it is over


async def connect(port: int, host: str = "127.0.0.1") -> Peer:
    return Peer(*await asyncio.open_connection(host, port, limit=READ_BYTES))


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what no event tells."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        await asyncio.sleep(0.002)


def answers(*responses: bytes) -> Script:
    """A script: read a request, send the next response; the last one again and again, until the client has gone."""

    async def script(peer: Peer) -> None:
        turn = 0
        while True:
            try:
                await peer.read_message()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            await peer.send(responses[min(turn, len(responses) - 1)])
            turn += 1

    return script


def ok(body: bytes = b"fine", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])
