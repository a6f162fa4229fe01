"""The part of the ingest server that answers questions about recordings: builds its pieces, names its handlers.

Made by the app; the server tells it when the settings change, and when to stop.
"""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from ingest_server.answers import json
from ingest_server.api import parameters
from ingest_server.api.asking import Asking
from ingest_server.api.bodies import Bodies
from ingest_server.api.exchanges import Exchanges
from ingest_server.api.figures import FiguresOfMany
from ingest_server.api.openapi import document
from ingest_server.api.operations import OPERATIONS
from ingest_server.api.recordings import Recordings
from ingest_server.api.sending import Sender
from ingest_server.api.sessions import Sessions
from ingest_server.api.threads import Threads
from ingest_server.index.schema import index_path
from ingest_server.settings import IndexSettings, IngestSettings
from traffic.llm.decode import Decoder
from traffic.llm.registry import find_dialects

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    def __init__(self, settings: IngestSettings, root: str, index: Path | None = None) -> None:
        """`root`: log_dir, with a separator at its end. `index`: where that of log_dir is not to be asked."""
        self._settings = settings
        self._threads = Threads()
        self._sender = Sender(self._threads, f"{root}.ingest", settings.limits.idle_s)
        recordings = Recordings(root)
        asking = Asking(index or index_path(settings.log_dir), self._threads, lambda: self._settings.index.enabled)
        self._exchanges = Exchanges(asking, recordings, self._sender, _decoder(settings.index))
        self._bodies = Bodies(recordings, self._sender, asking.find)
        self._sessions = Sessions(asking)
        self._figures = FiguresOfMany(asking)
        self._document = document(OPERATIONS)

    def configure(self, settings: IngestSettings) -> None:
        if settings.index != self._settings.index:
            self._exchanges.decoder = _decoder(settings.index)
        self._settings = settings
        self._sender.idle_s = settings.limits.idle_s

    def stop(self) -> None:
        self._threads.stop()

    def handlers(self) -> dict[str, Handler]:
        """By the names in OPERATIONS."""
        return {
            "list_exchanges": self._exchanges.listed,
            "show_exchange": self._exchanges.one,
            "show_request": self._bodies.request,
            "show_response": self._bodies.response,
            "show_events": self._bodies.events,
            "list_sessions": self._sessions.listed,
            "show_session": self._sessions.one,
            "show_stats": self._figures.stats,
            "show_audit": self._figures.audit,
            "openapi": self._show_document,
        }

    async def _show_document(self, request: web.Request) -> web.Response:
        parameters.read(request, ())
        return json(200, self._document)


def _decoder(settings: IndexSettings) -> Decoder:
    """As the indexer's, which warns of what is wrong with dialects."""
    registry = find_dialects(log.debug)
    return Decoder(registry.dialects, settings.prices, registry.registered)
