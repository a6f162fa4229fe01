"""What is sent to the ingest server: journals of recorders, and the halves of exchanges at the simple door.

docs/format.md describes both. Everything that touches a file is handed to the writer in pieces, so that a large body
holds up nobody else's. Made by the app.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from functools import partial

import msgspec
from aiohttp import ClientError, StreamReader, web

from ingest_server.answers import AnswerError, json, plain_text
from ingest_server.door import Caller, Door, DoorError, HalfTakenError, Incoming, SideName
from ingest_server.store import OffsetMismatchError, Store
from ingest_server.writer import PIECE_BYTES_MAX, Writer
from traffic.capture import names
from traffic.capture import status as recorder_status
from traffic.capture.frames import FrameError

BODY_BYTES_MAX = 32 * 1024 * 1024  # of one PUT to a journal
OFFSET_DIGITS_MAX = 18

_offset = re.compile(rf"[0-9]{{1,{OFFSET_DIGITS_MAX}}}").fullmatch


class Position(msgspec.Struct, frozen=True):
    """Where a journal stands, in bytes: what comes next, and below what all is in the files."""

    next: int
    stored: int


class SlowBodyError(AnswerError):
    """Its sender sends nothing more, and stays."""

    def __init__(self, idle_s: float) -> None:
        super().__init__(408, f"nothing of the body came for {idle_s:g} s (ingest.limits.idle_s)")


class Uploads:
    def __init__(self, store: Store, door: Door, writer: Writer, idle_s: float) -> None:
        self._store = store
        self._door = door
        self._writer = writer
        self.idle_s = idle_s  # between two reads of a body

    async def put_journal(self, request: web.Request) -> web.Response:
        name, offset = request.match_info["journal"], request.match_info["offset"]
        oldest = request.headers.get("X-Journal-Oldest")
        if not names.is_uuid(name):
            return plain_text(400, f"a journal's name is a UUID in lower case, not {name!r}")
        if not _offset(offset) or (oldest is not None and not _offset(oldest)):
            return plain_text(400, f"an offset has 1 to {OFFSET_DIGITS_MAX} decimal digits")
        if (request.content_length or 0) > BODY_BYTES_MAX:
            return plain_text(413, f"a body has at most {BODY_BYTES_MAX} bytes")
        status = recorder_status.decode(request.headers.get(recorder_status.HEADER, ""))
        if status is not None:
            self._store.ledger.hear(name, status, time.time_ns())
        try:
            return await self._apply(request, name, int(offset), None if oldest is None else int(oldest))
        except OffsetMismatchError as error:
            return json(409, Position(error.next, error.stored))
        except FrameError as error:
            return plain_text(422, str(error))

    async def _apply(self, request: web.Request, name: str, at: int, oldest: int | None) -> web.Response:
        at_once = request.content_length or 0
        rest: list[bytes] = []  # of a frame that lies across pieces
        taken_bytes = 0
        async for piece in self._pieces(request.content):
            taken_bytes += sum(map(len, piece))
            if taken_bytes > BODY_BYTES_MAX:
                return plain_text(413, f"a body has at most {BODY_BYTES_MAX} bytes")
            blocks = rest + piece
            applied = await self._writer.run(partial(self._store.apply, name, at, blocks, oldest), at_once)
            rest = _behind(blocks, applied.next - at)
            at = applied.next
        return json(200, Position(at, min(applied.journal.stored, at)))

    async def put_request(self, request: web.Request) -> web.Response:
        return await self._put_half(request, "request")

    async def put_response(self, request: web.Request) -> web.Response:
        return await self._put_half(request, "response")

    async def _put_half(self, request: web.Request, side: SideName) -> web.Response:
        exchange_id = request.match_info["id"].lower()
        if not names.is_uuid(exchange_id):
            return plain_text(400, f"the id is a UUID, not {request.match_info['id']!r}")
        host, port = (request.transport.get_extra_info("peername") or ("", 0))[:2] if request.transport else ("", 0)
        caller = Caller(f"{host}:{port}", time.time_ns())
        incoming = Incoming(side)
        try:
            await self._writer.run(partial(self._door.begin, incoming, exchange_id, caller))
            whole = await self._receive(request.content, incoming)
        except HalfTakenError as error:
            return plain_text(409, str(error))
        except DoorError as error:
            await self._writer.run(partial(self._door.drop, incoming))
            return plain_text(400, str(error))
        except BaseException:
            await self._writer.run(partial(self._door.drop, incoming))
            raise
        if not whole:
            return plain_text(408, f"the {side} stopped coming before its end; what came of it is kept")
        return plain_text(201, "stored")

    async def _receive(self, content: StreamReader, incoming: Incoming) -> bool:
        """Whether its end came."""
        whole = True
        while True:
            try:
                data = await self._read(content)
            except (ClientError, ConnectionError, web.RequestPayloadError, SlowBodyError):
                data, whole = b"", False
            if not data:
                break
            await self._writer.run(partial(self._door.add, incoming, data))
        await self._writer.run(partial(self._door.end, incoming, whole=whole))
        return whole

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


def _behind(blocks: list[bytes], consumed: int) -> list[bytes]:
    for place, block in enumerate(blocks):
        if consumed < len(block):
            return [block[consumed:], *blocks[place + 1 :]]
        consumed -= len(block)
    return []
