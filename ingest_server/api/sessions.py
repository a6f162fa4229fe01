"""Sessions, listed and one by one as a tree. Called for /v1/sessions."""

from typing import Final

from aiohttp import web

from ingest_server.answers import json
from ingest_server.api import parameters
from ingest_server.api.asking import Asking
from ingest_server.api.parameters import CURSOR, LIMIT, PAGE, TREE_LIMIT
from ingest_server.index.filters import PARAMETERS, Filters

LISTING: Final = (*PARAMETERS, LIMIT, CURSOR)
TREE: Final = (TREE_LIMIT, CURSOR)


class Sessions:
    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def listed(self, request: web.Request) -> web.Response:
        asked = parameters.read(request, LISTING)
        limit, cursor = asked.pop("limit", PAGE), asked.pop("cursor", None)
        filters = Filters(**asked)
        return json(200, await self._asking.ask(lambda queries: queries.sessions(filters, limit, cursor)))

    async def one(self, request: web.Request) -> web.Response:
        asked = parameters.read(request, TREE)
        limit, cursor = asked.get("limit", parameters.LIMIT_MAX), asked.get("cursor")
        name = request.match_info["session"]
        return json(200, await self._asking.ask(lambda queries: queries.session(name, limit, cursor)))
