"""The ingest server's HTTP side: the journal link, the simple door, health, the live feed and metrics.

docs/format.md describes the link and the door. Errors are one line of plain text. Everything that touches a file is
handed to the writer in pieces, so that a large body holds up nobody else's. Built by the server.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import msgspec
from aiohttp import ClientError, StreamReader, web

from ingest_server import metrics
from ingest_server.door import Caller, Door, DoorError, HalfTakenError, Incoming, SideName
from ingest_server.guard import LINK, OPEN, Guard, add_headers
from ingest_server.guard import plain_text as _text
from ingest_server.live import Feed, TooManyListenersError
from ingest_server.parts import parts
from ingest_server.store import OffsetMismatchError, Store, TooManyJournalsError
from ingest_server.writer import PIECE_BYTES_MAX, Writer
from traffic.capture import names
from traffic.capture import status as recorder_status
from traffic.capture.frames import FrameError
from traffic.health import health_of

BODY_BYTES_MAX = 32 * 1024 * 1024  # of one PUT to a journal
RETRY_AFTER_S = 1
OFFSET_DIGITS_MAX = 18

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_offset = re.compile(rf"[0-9]{{1,{OFFSET_DIGITS_MAX}}}").fullmatch
_encode = msgspec.json.Encoder().encode


class SlowBodyError(Exception):
    """Its sender sends nothing more, and stays."""

    def __init__(self, idle_s: float) -> None:
        super().__init__(f"nothing of the body came for {idle_s:g} s (ingest.limits.idle_s)")


class App:
    def __init__(self, store: Store, door: Door, writer: Writer, feed: Feed, idle_s: float) -> None:
        self._store = store
        self._door = door
        self._writer = writer
        self._feed = feed
        self._metrics = metrics.Metrics(store.tally, store.ledger)
        self.idle_s = idle_s  # between two reads of a body

    def build(self, guard: Guard) -> web.Application:
        app = web.Application(middlewares=[guard.check, self._explain])
        app.on_response_prepare.append(add_headers)
        app.router.add_put("/v1/journals/{journal}/{offset}", self._put_journal, name=LINK)
        app.router.add_get("/v1/ledger", self._show_ledger)
        app.router.add_get("/v1/live", self._live, allow_head=False)
        app.router.add_get("/health", self._health, name=OPEN)
        app.router.add_get("/health/detailed", self._health_detailed)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_put("/{id}/{side:request|response}", self._put_half)
        return app

    @web.middleware
    async def _explain(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turns errors into plain text."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _text(400, f"no such path: {request.path} (PUT /ID/request or /ID/response, where ID is a UUID)")
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return _text(405, f"{request.method} is not possible here, but {allowed}", {"Allow": allowed})
        except SlowBodyError as error:
            return _text(408, str(error))
        except (TooManyJournalsError, TooManyListenersError) as error:
            return _text(503, str(error), {"Retry-After": str(RETRY_AFTER_S)})
        except OSError as error:
            problem = f"the recording cannot be written: {error.strerror or error}"
            return _text(503, problem, {"Retry-After": str(RETRY_AFTER_S)})

    async def _put_journal(self, request: web.Request) -> web.Response:
        name, offset = request.match_info["journal"], request.match_info["offset"]
        oldest = request.headers.get("X-Journal-Oldest")
        if not names.is_uuid(name):
            return _text(400, f"a journal's name is a UUID in lower case, not {name!r}")
        if not _offset(offset) or (oldest is not None and not _offset(oldest)):
            return _text(400, f"an offset has 1 to {OFFSET_DIGITS_MAX} decimal digits")
        if (request.content_length or 0) > BODY_BYTES_MAX:
            return _text(413, f"a body has at most {BODY_BYTES_MAX} bytes")
        status = recorder_status.decode(request.headers.get(recorder_status.HEADER, ""))
        if status is not None:
            self._store.ledger.hear(name, status, time.time_ns())
        try:
            return await self._apply(request.content, name, int(offset), None if oldest is None else int(oldest))
        except OffsetMismatchError as error:
            return _json(409, {"next": error.next, "stored": error.stored})
        except FrameError as error:
            return _text(422, str(error))

    async def _apply(self, content: StreamReader, name: str, at: int, oldest: int | None) -> web.Response:
        rest: list[bytes] = []  # of a frame that lies across pieces
        taken_bytes = 0
        async for piece in self._pieces(content):
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
                    data = await self._read(content)
                except (ClientError, ConnectionError, web.RequestPayloadError, SlowBodyError):
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
        if not whole:
            return _text(408, f"the {incoming.name} stopped coming before its end; what came of it is kept")
        return _text(201, "stored")

    async def _read(self, content: StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self.idle_s):
                return await content.readany()
        except TimeoutError:
            raise SlowBodyError(self.idle_s) from None

    async def _pieces(self, content: StreamReader) -> AsyncIterator[list[bytes]]:
        """The body in pieces of about PIECE_BYTES_MAX, as lists of what was read; at least one, which may be empty."""
        piece: list[bytes] = []
        size = 0
        is_first = True
        while data := await self._read(content):
            piece.append(data)
            size += len(data)
            if size >= PIECE_BYTES_MAX:
                yield piece
                piece, size, is_first = [], 0, False
        if piece or is_first:
            yield piece

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

    async def _health_detailed(self, _request: web.Request) -> web.Response:
        report = self._store.ledger.report(time.time_ns())
        health = health_of("ingest", [*parts(self._writer, self._store.files.root, report)])
        return _json(health.http_status, health)

    async def _show_ledger(self, _request: web.Request) -> web.Response:
        return _json(200, self._store.ledger.report(time.time_ns()))

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
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


def _behind(blocks: list[bytes], consumed: int) -> list[bytes]:
    for place, block in enumerate(blocks):
        if consumed < len(block):
            return [block[consumed:], *blocks[place + 1 :]]
        consumed -= len(block)
    return []


def _json(status: int, fields: object) -> web.Response:
    return web.Response(status=status, body=_encode(fields), content_type="application/json")
