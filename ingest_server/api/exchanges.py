"""Exchanges, listed and one by one. Called for /v1/exchanges."""

from functools import partial
from typing import BinaryIO, Final

import msgspec
from aiohttp import web

from ingest_server.answers import json
from ingest_server.api import parameters
from ingest_server.api.asking import Asking
from ingest_server.api.detail import detail_of
from ingest_server.api.parameters import CURSOR, LIMIT, PAGE
from ingest_server.api.recordings import Recordings
from ingest_server.api.sending import Sender
from ingest_server.index.filters import PARAMETERS, Filters
from ingest_server.index.summary import ExchangeSummary
from traffic.llm.decode import Decoder

_encode = msgspec.json.Encoder().encode

LISTING: Final = (*PARAMETERS, LIMIT, CURSOR)


class Exchanges:
    def __init__(self, asking: Asking, recordings: Recordings, sender: Sender, decoder: Decoder) -> None:
        self._asking = asking
        self._recordings = recordings
        self._sender = sender
        self._threads = sender.threads
        self.decoder = decoder  # may be replaced at any time

    async def listed(self, request: web.Request) -> web.Response:
        asked = parameters.read(request, LISTING)
        limit, cursor = asked.pop("limit", PAGE), asked.pop("cursor", None)
        filters = Filters(**asked)
        return json(200, await self._asking.ask(lambda queries: queries.exchanges(filters, limit, cursor)))

    async def one(self, request: web.Request) -> web.Response:
        parameters.read(request, ())
        found = await self._asking.find(request)
        summary = await self._asking.ask(lambda queries: queries.exchange(found.id))
        async with self._threads.holding_a_recording():
            body = await self._threads.run(partial(self._detail, found.stem, summary))
        return web.Response(body=body, content_type="application/json")

    def _detail(self, stem: str, summary: ExchangeSummary) -> BinaryIO:
        raw, stored = self._recordings.raw(stem)
        decoded = self.decoder.decode(raw)
        detail = detail_of(summary, stored, decoded.call if decoded is not None else None)
        return self._sender.put_aside(_encode(detail))
