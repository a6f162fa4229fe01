"""The ingest server's HTTP side: the list of its endpoints, and what they answer when something is wrong.

Errors are one line of plain text. What is sent is taken in uploads.py; what watches is here. Built by the server.
"""

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from ingest_server import metrics
from ingest_server.answers import AnswerError, json, plain_text
from ingest_server.door import Door
from ingest_server.guard import LINK, OPEN, Guard, add_headers
from ingest_server.live import Feed, TooManyListenersError
from ingest_server.parts import parts
from ingest_server.store import Store, TooManyJournalsError
from ingest_server.uploads import Uploads
from ingest_server.writer import Writer
from traffic.health import health_of

RETRY_AFTER_S = 1

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class App:
    def __init__(self, store: Store, door: Door, writer: Writer, feed: Feed, idle_s: float) -> None:
        self._store = store
        self._writer = writer
        self._feed = feed
        self._metrics = metrics.Metrics(store.tally, store.ledger)
        self._uploads = Uploads(store, door, writer, idle_s)

    def wait_at_most(self, idle_s: float) -> None:
        """Between two reads of a body."""
        self._uploads.idle_s = idle_s

    def build(self, guard: Guard) -> web.Application:
        app = web.Application(middlewares=[guard.check, self._explain])
        app.on_response_prepare.append(add_headers)
        app.router.add_put("/v1/journals/{journal}/{offset}", self._uploads.put_journal, name=LINK)
        app.router.add_get("/v1/ledger", self._show_ledger)
        app.router.add_get("/v1/live", self._live, allow_head=False)
        app.router.add_get("/health", self._health, name=OPEN)
        app.router.add_get("/health/detailed", self._health_detailed)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_put("/{id}/request", self._uploads.put_request)
        app.router.add_put("/{id}/response", self._uploads.put_response)
        return app

    @web.middleware
    async def _explain(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turns errors into plain text."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            where = "PUT /ID/request or /ID/response, where ID is a UUID"
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
