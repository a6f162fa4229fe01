"""One client's connection to the ingest server: aiohttp's own, within the server's limits and with its words.

Beyond `connections` a new one is answered 503 and closed. One that shows no whole head for `idle_s` is closed: at its
start, between two requests, and inside a head. What aiohttp says of a malformed request quotes its bytes, which may
hold secrets; what is said here does not. Made by the server.
"""

import asyncio
import logging
from http import HTTPStatus

from aiohttp import web

from ingest_server.guard import HEADERS
from ingest_server.settings import IngestLimits

LINGER_S = 2.0  # an unread body is read on and thrown away for so long, so that its sender sees the answer
READ_BYTES = 256 * 1024

log = logging.getLogger(__name__)


class Crowd:
    """The connections of one server."""

    def __init__(self, limits: IngestLimits) -> None:
        self.limits = limits
        self.size = 0

    @property
    def is_full(self) -> bool:
        return self.size >= self.limits.connections


class Connection(web.RequestHandler):
    __slots__ = ("_crowd", "_is_admitted")

    def __init__(self, server: web.Server, crowd: Crowd) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=crowd.limits.idle_s,
            lingering_time=LINGER_S,
            read_bufsize=READ_BYTES,
            access_log=None,  # type: ignore[arg-type] # none is allowed, as AppRunner's documentation has it
        )
        self._crowd = crowd
        self._is_admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._crowd.is_full:
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(_FULL)
            transport.close()
            return
        self._is_admitted = True
        self._crowd.size += 1
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._is_admitted:
            self._is_admitted = False
            self._crowd.size -= 1
            super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 (it quotes the request)
    ) -> web.StreamResponse:
        """Called for a request that cannot be read, and for an endpoint that failed."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("a request failed", exc_info=exc)
            text = "the ingest server failed; its log says where"
        else:
            log.debug("a request was refused: %s", type(exc).__name__)
            text = "this is not a valid HTTP request"
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        response = web.Response(status=status, text=text + "\n", headers=HEADERS)
        response.force_close()
        return response


def _encode_full() -> bytes:
    text = b"the ingest server has as many connections as it takes (ingest.limits.connections)\n"
    fields = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(text)),
        "Retry-After": "1",
        "Connection": "close",
    }
    lines = ["HTTP/1.1 503 Service Unavailable", *(f"{name}: {value}" for name, value in (fields | HEADERS).items())]
    return "\r\n".join([*lines, "", ""]).encode() + text


_FULL = _encode_full()
