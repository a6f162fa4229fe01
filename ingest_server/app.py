"""The ingest server's HTTP side: the list of its endpoints, and what they answer when something is wrong.

Errors are plain text. What is sent is taken in uploads.py; what watches is here. Built by the server.
"""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from ingest_server import metrics
from ingest_server.answers import AnswerError, json, plain_text
from ingest_server.api.api import Api
from ingest_server.api.indexing import Indexing
from ingest_server.api.operations import OPERATIONS, Alive
from ingest_server.door import Door
from ingest_server.guard import Guard, add_headers
from ingest_server.indexer import Indexer
from ingest_server.live import Feed, TooManyListenersError
from ingest_server.parts import index_parts, parts
from ingest_server.settings import IngestSettings
from ingest_server.store import Store, TooManyJournalsError
from ingest_server.uploads import Uploads
from ingest_server.writer import Writer
from traffic.health import health_of

RETRY_AFTER_S = 1


class Outlook(NamedTuple):
    """Where others see what happens here."""

    feed: Feed
    indexer: Indexer


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class App:
    def __init__(self, store: Store, door: Door, writer: Writer, outlook: Outlook, settings: IngestSettings) -> None:
        self._store = store
        self._writer = writer
        self._feed, self._indexer = outlook
        self._metrics = metrics.Metrics(store.tally, store.ledger, outlook.indexer.figures)
        self._uploads = Uploads(store, door, writer, settings.limits.idle_s)
        self._indexing = Indexing(outlook.indexer)
        self._api = Api(settings, store.files.root)

    def configure(self, settings: IngestSettings) -> None:
        self._uploads.idle_s = settings.limits.idle_s
        self._api.configure(settings)

    def stop(self) -> None:
        self._api.stop()

    def build(self, guard: Guard) -> web.Application:
        app = web.Application(middlewares=[guard.check, self._explain])
        app.on_response_prepare.append(add_headers)
        handlers = {
            **self._api.handlers(),
            "show_index": self._indexing.status,
            "reindex": self._indexing.reindex,
            "listen": self._live,
            "show_ledger": self._show_ledger,
            "health": self._health,
            "health_detailed": self._health_detailed,
            "metrics": self._show_metrics,
            "put_journal": self._uploads.put_journal,
            "put_request": self._uploads.put_request,
            "put_response": self._uploads.put_response,
        }
        for each in OPERATIONS:
            resource = app.router.add_resource(each.path, name=each.guarded_as)
            resource.add_route(each.method, handlers[each.name])
            if each.method == "GET" and each.allows_head:
                resource.add_route("HEAD", handlers[each.name])
        return app

    @web.middleware
    async def _explain(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turns errors into plain text."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            door = "PUT /ID/request or /ID/response, where ID is a UUID"
            where = door if request.method == "PUT" else "GET /openapi.json lists all"
            return plain_text(400, f"no such path: {request.path} ({where})")
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return plain_text(405, f"{request.method} is not possible here, but {allowed}", {"Allow": allowed})
        except AnswerError as error:
            return plain_text(error.status, str(error), error.headers)
        except (TooManyJournalsError, TooManyListenersError) as error:
            return plain_text(503, str(error), {"Retry-After": str(RETRY_AFTER_S)})
        except OSError as error:
            problem = f"the recording cannot be written: {error.strerror or error}"
            return plain_text(503, problem, {"Retry-After": str(RETRY_AFTER_S)})

    async def _health(self, _request: web.Request) -> web.Response:
        tally = self._store.tally
        return json(
            200,
            Alive("ok", tally.open_exchanges, tally.completed, tally.incomplete, tally.gaps, tally.write_errors),
        )

    async def _health_detailed(self, _request: web.Request) -> web.Response:
        report = self._store.ledger.report(time.time_ns())
        health = health_of(
            "ingest", [*parts(self._writer, self._store.files.root, report), *index_parts(self._indexer.status)]
        )
        return json(health.http_status, health)

    async def _show_ledger(self, _request: web.Request) -> web.Response:
        return json(200, self._store.ledger.report(time.time_ns()))

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
