"""The API over a folder of recordings, for one command: this process serves it to itself alone, on a port of loopback,
with a key that nobody else knows. So who reads a folder gets the same answers as who asks a server. Made by source.py.
"""

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
from aiohttp import web

from commands.api_client import ApiClient, AskError
from commands.folder_index import FolderIndex, open_index
from commands.live_events import CALL, CONNECTED, Event
from ingest_server.answers import AnswerError, json, plain_text
from ingest_server.api.api import Api, Handler
from ingest_server.api.operations import OPERATIONS, Alive
from ingest_server.guard import Guard, add_headers
from ingest_server.index.row import Row, summary_of
from ingest_server.settings import IngestSettings
from traffic.keys import Key

LOOK_S = 1.0  # how often one who follows looks into the folder


@contextmanager
def serving(log_dir: Path, settings: IngestSettings) -> Iterator[ApiClient]:
    """Raises AskError."""
    key = secrets.token_urlsafe(32)
    settings = replace(
        settings,
        host="127.0.0.1",
        log_dir=log_dir,
        keys=(Key.parse("own", key),),
        index=replace(settings.index, enabled=True),
    )
    with open_index(log_dir, settings.index) as (path, index):
        server = _Server(settings, path)
        thread = threading.Thread(target=server.run, name="api")
        thread.start()
        try:
            server.started.wait()
            yield _FolderClient(f"http://127.0.0.1:{server.port}", key, str(log_dir), index)
        finally:
            server.stop()
            thread.join()


class _FolderClient(ApiClient):
    def __init__(self, url: str, key: str, name: str, index: FolderIndex | None) -> None:
        super().__init__(url, None, key, name)
        self._index = index

    def live(self) -> Iterator[Event]:
        """What has ended in the folder, each LOOK_S."""
        index = self._index
        if index is None:
            raise AskError(f"an ingest server is at work on {self.name}: --server asks it what happens")
        yield Event(CONNECTED, {})
        while True:
            read: list[Row] = []
            index.catch_up(read.append)
            ended = [row for each in read if not each.is_open and (row := index.row(each.stem)) is not None]
            yield from (Event(CALL, msgspec.to_builtins(summary_of(row))) for row in ended)
            time.sleep(LOOK_S)


class _Server:
    """Runs in a thread of its own."""

    def __init__(self, settings: IngestSettings, index: Path) -> None:
        self.started = threading.Event()
        self.port = 0
        self._settings = settings
        self._index = index
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self) -> None:
        api = Api(self._settings, f"{self._settings.log_dir}{os.sep}", self._index)
        runner = web.AppRunner(_app(api, Guard(self._settings)), handle_signals=False, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._settings.host, 0).start()
            self.port = runner.addresses[0][1]
            self.started.set()
            await self._ended.wait()
        finally:
            await runner.cleanup()
            api.stop()


def _app(api: Api, guard: Guard) -> web.Application:
    app = web.Application(middlewares=[guard.check, _explain])
    app.on_response_prepare.append(add_headers)
    handlers = api.handlers()
    handlers["health"] = _health
    for operation in OPERATIONS:
        if operation.name in handlers:
            resource = app.router.add_resource(operation.path, name=operation.guarded_as)
            resource.add_route(operation.method, handlers[operation.name])
    return app


async def _health(_request: web.Request) -> web.Response:
    return json(200, Alive("ok", 0, 0, 0, 0, 0))


@web.middleware
async def _explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except AnswerError as error:
        return plain_text(error.status, str(error), error.headers)
