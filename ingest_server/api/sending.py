"""Sends the bytes of a recording, whole or a range of them, in pieces: memory holds one piece at a time. What is large
and was made for an answer waits in a file without a name.

A listener that takes nothing for `idle_s` is cut off. No answer is anything that a browser would run: only types that
it shows as text or keeps as a file are passed on. Called by the endpoints of bodies.
"""

import asyncio
import io
import os
import tempfile
from functools import partial
from typing import BinaryIO, Final

from aiohttp import web

from ingest_server.answers import plain_text
from ingest_server.api.ranges import UnsatisfiableError, range_of
from ingest_server.api.threads import Threads

PIECE_BYTES: Final = 256 * 1024
SMALL_BYTES_MAX: Final = 1024 * 1024
BYTES: Final = "application/octet-stream"
_SHOWN: Final = frozenset({"application/json", "application/x-ndjson", "text/event-stream", "text/plain"})


def harmless(content_type: str) -> str:
    """The type to send something as that was captured as `content_type`."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _SHOWN:
        return kind
    if kind.startswith("application/") and kind.endswith("+json"):
        return "application/json"
    return "text/plain" if kind.startswith("text/") else BYTES


class Sender:
    def __init__(self, threads: Threads, folder: str, idle_s: float) -> None:
        """`folder`: for the files without a name; the system's where it cannot be written."""
        self.threads = threads
        self._folder = folder
        self.idle_s = idle_s

    def put_aside(self, data: bytes) -> BinaryIO:
        """For send(), or as the body of a response. Called in a thread."""
        if len(data) <= SMALL_BYTES_MAX:
            return io.BytesIO(data)
        folder = self._folder if os.access(self._folder, os.W_OK) else None
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed when it is sent)
        file.write(data)
        file.seek(0)
        return file

    async def send(
        self, request: web.Request, content: BinaryIO, size: int, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Closes `content`."""
        try:
            try:
                part = range_of(_range_header(request), size)
            except UnsatisfiableError as error:
                return plain_text(416, f"the range lies behind the end: {error}", {"Content-Range": f"bytes */{size}"})
            response = web.StreamResponse(headers={"Accept-Ranges": "bytes", **headers})
            if part is not None:
                response.set_status(206)
                response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
            response.content_length = len(part) if part is not None else size
            await response.prepare(request)
            if request.method != "HEAD":
                await self._copy(content, part or range(size), request, response)
            return response
        finally:
            content.close()

    async def _copy(self, content: BinaryIO, part: range, request: web.Request, response: web.StreamResponse) -> None:
        """Ends the connection where not all of it can be sent: the other side has gone, or the file has shrunk."""
        at = part.start
        try:
            while at < part.stop:
                piece = await self.threads.run(partial(_read, content, at, min(PIECE_BYTES, part.stop - at)))
                if not piece:
                    break
                async with asyncio.timeout(self.idle_s):
                    await response.write(piece)
                at += len(piece)
        except (TimeoutError, ConnectionError):
            pass
        if at < part.stop and request.transport is not None:
            request.transport.abort()


def _range_header(request: web.Request) -> str | None:
    """RFC 9110 §14.2: for GET alone. §13.1.5: no If-Range can match, as no answer names its version."""
    return request.headers.get("Range") if request.method == "GET" and "If-Range" not in request.headers else None


def _read(content: BinaryIO, at: int, size: int) -> bytes:
    content.seek(at)
    return content.read(size)
