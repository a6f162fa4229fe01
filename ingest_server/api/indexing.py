"""How far the index is, and the order to decode again what is in it. Called for /v1/index and /v1/reindex."""

from typing import Final

from aiohttp import web

from ingest_server.answers import AnswerError, json
from ingest_server.api import parameters
from ingest_server.api.asking import NO_INDEX
from ingest_server.api.parameters import DECODER_CHANGED
from ingest_server.index.filters import PARAMETERS
from ingest_server.index.orders import Reindex
from ingest_server.indexer import Indexer

REINDEX: Final = (*(each for each in PARAMETERS if each.name == "since"), DECODER_CHANGED)


class Indexing:
    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer

    async def status(self, request: web.Request) -> web.Response:
        parameters.read(request, ())
        return json(200, self._indexer.status)

    async def reindex(self, request: web.Request) -> web.Response:
        asked = parameters.read(request, REINDEX)
        if self._indexer.status.state == "off":
            raise AnswerError(404, NO_INDEX)
        self._indexer.reindex(Reindex(asked.get("since_us"), asked.get("decoder_changed", False)))
        return json(202, self._indexer.status)
