"""The ingest server's HTTP side: the journal link, the simple door, health, the live feed and metrics.

docs/format.md describes the link and the door. Errors are one line of plain text. Everything that touches a file is
handed to the writer in pieces, so that a large body holds up nobody else's. Built by the server.
"""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from aiohttp import ClientError, StreamReader, web

from ingest_server import metrics
from ingest_server.door import Caller, Door, DoorError, HalfTakenError, Incoming, SideName
from ingest_server.live import Feed
from ingest_server.store import OffsetMismatchError, Store
from ingest_server.writer import PIECE_BYTES_MAX, Writer
from traffic.capture import names
from traffic.capture.frames import FrameError

BODY_BYTES_MAX = 32 * 1024 * 1024  # of one PUT to a journal
RETRY_AFTER_S = 1
OFFSET_DIGITS_MAX = 18

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_offset = re.compile(rf"[0-9]{{1,{OFFSET_DIGITS_MAX}}}").fullmatch
_encode = msgspec.json.Encoder().encode


class App:
    def __init__(self, store: Store, door: Door, writer: Writer, feed: Feed, *, only_local: bool) -> None:
        self._store = store
        self._door = door
        self._writer = writer
        self._feed = feed
        self._metrics = metrics.Metrics(store.tally)
        self._only_local = only_local

    def build(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_put("/v1/journals/{journal}/{offset}", self._put_journal)
        app.router.add_get("/v1/live", self._live, allow_head=False)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_put("/{id}/{side:request|response}", self._put_half)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuses what a web page of another origin sends, and turns errors into plain text."""
        if not self._is_own_host(request.host):
            return _text(403, f"the host {request.host!r} is not this server: ask for localhost or its address")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return _text(403, f"requests from pages of {origin} are refused")
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _text(400, f"no such path: {request.path} (PUT /ID/request or /ID/response, where ID is a UUID)")
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return _text(405, f"{request.method} is not possible here, but {allowed}", {"Allow": allowed})
        except OSError as error:
            problem = f"the recording cannot be written: {error.strerror or error}"
            return _text(503, problem, {"Retry-After": str(RETRY_AFTER_S)})

    def _is_own_host(self, host: str) -> bool:
        """DNS rebinding: a server that listens on this machine only is asked for by a local name."""
        if not self._only_local:
            return True
        name = urlsplit(f"//{host}").hostname or ""
        return is_local(name)

    async def _put_journal(self, request: web.Request) -> web.Response:
        name, offset = request.match_info["journal"], request.match_info["offset"]
        oldest = request.headers.get("X-Journal-Oldest")
        if not names.is_uuid(name):
            return _text(400, f"a journal's name is a UUID in lower case, not {name!r}")
        if not _offset(offset) or (oldest is not None and not _offset(oldest)):
            return _text(400, f"an offset has 1 to {OFFSET_DIGITS_MAX} decimal digits")
        if (request.content_length or 0) > BODY_BYTES_MAX:
            return _text(413, f"a body has at most {BODY_BYTES_MAX} bytes")
        try:
            return await self._apply(request.content, name, int(offset), None if oldest is None else int(oldest))
        except OffsetMismatchError as error:
            return _json(409, {"next": error.next, "stored": error.stored})
        except FrameError as error:
            return _text(422, str(error))

    async def _apply(self, content: StreamReader, name: str, at: int, oldest: int | None) -> web.Response:
        rest: list[bytes] = []  # of a frame that lies across pieces
        taken_bytes = 0
        async for piece in _pieces(content):
            taken_bytes += sum(map(len, piece))
            if taken_bytes > BODY_BYTES_MAX:
                return _text(413, f"a body has at most {BODY_BYTES_MAX} bytes")
            blocks = rest + piece
            applied = await self._writer.run(partial(self._store.apply, name, at, blocks, oldest))
            rest = _behind(blocks, applied.next - at)
            at = applied.next
        return _json(200, {"next": at, "stored": min(applied.journal.stored, at)})

    async def _put_half(self, request: web.Request) -> web.Response:
        exchange_id = request.match_info["id"].lower()
        side: SideName = "request" if request.match_info["side"] == "request" else "response"
        if not names.is_uuid(exchange_id):
            return _text(400, f"the id is a UUID, not {request.match_info['id']!r}")
        host, port = (request.transport.get_extra_info("peername") or ("", 0))[:2] if request.transport else ("", 0)
        caller = Caller(f"{host}:{port}", time.time_ns())
        try:
            incoming = await self._writer.run(partial(self._door.begin, exchange_id, side, caller))
        except HalfTakenError as error:
            return _text(409, str(error))
        return await self._receive(request.content, incoming)

    async def _receive(self, content: StreamReader, incoming: Incoming) -> web.Response:
        whole = True
        try:
            while True:
                try:
                    data = await content.readany()
                except (ClientError, ConnectionError, web.RequestPayloadError):
                    data, whole = b"", False
                if not data:
                    break
                await self._writer.run(partial(self._door.add, incoming, data))
            await self._writer.run(partial(self._door.end, incoming, whole=whole))
        except DoorError as error:
            await self._writer.run(partial(self._door.drop, incoming))
            return _text(400, str(error))
        except BaseException:
            await self._writer.run(partial(self._door.drop, incoming))
            raise
        return _text(201, "stored")

    async def _health(self, _request: web.Request) -> web.Response:
        tally = self._store.tally
        return _json(
            200,
            {
                "status": "ok",
                "open_exchanges": tally.open_exchanges,
                "completed": tally.completed,
                "incomplete": tally.incomplete,
                "gaps": tally.gaps,
                "write_errors": tally.write_errors,
            },
        )

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        listener = self._feed.join()
        try:
            await response.prepare(request)
            await response.write(b": listening\n\n")
            while (event := await listener.next()) is not None:
                await response.write(event)
        except ConnectionError:
            pass  # the listener has gone
        finally:
            self._feed.leave(listener)
        return response


def is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _pieces(content: StreamReader) -> AsyncIterator[list[bytes]]:
    """The body in pieces of about PIECE_BYTES_MAX, as lists of what was read; at least one, which may be empty."""
    piece: list[bytes] = []
    size = 0
    is_first = True
    while data := await content.readany():
        piece.append(data)
        size += len(data)
        if size >= PIECE_BYTES_MAX:
            yield piece
            piece, size, is_first = [], 0, False
    if piece or is_first:
        yield piece


def _behind(blocks: list[bytes], consumed: int) -> list[bytes]:
    for place, block in enumerate(blocks):
        if consumed < len(block):
            return [block[consumed:], *blocks[place + 1 :]]
        consumed -= len(block)
    return []


def _json(status: int, fields: dict[str, object]) -> web.Response:
    return web.Response(status=status, body=_encode(fields), content_type="application/json")


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=headers)
