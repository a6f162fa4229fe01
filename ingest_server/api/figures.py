"""Figures of many exchanges, and the audit records of calls. Called for /v1/stats and /v1/admin/logs."""

from typing import Final

from aiohttp import web

from ingest_server.answers import json
from ingest_server.api import parameters
from ingest_server.api.asking import Asking
from ingest_server.api.parameters import AUDIT_LIMIT, BY
from ingest_server.index.filters import PARAMETERS, Filters

STATS: Final = (BY, *PARAMETERS)
_AUDITED: Final = ("key", "model", "since", "until")
AUDIT: Final = (*(each for each in PARAMETERS if each.name in _AUDITED), AUDIT_LIMIT)
RECORDS: Final = 100  # where nobody says how many


class FiguresOfMany:
    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def stats(self, request: web.Request) -> web.Response:
        asked = parameters.read(request, STATS)
        by = asked.pop("by", "model")
        filters = Filters(**asked)
        return json(200, await self._asking.ask(lambda queries: queries.stats(by, filters)))

    async def audit(self, request: web.Request) -> web.Response:
        asked = parameters.read(request, AUDIT)
        limit = asked.pop("limit", RECORDS)
        filters = Filters(**asked)
        return json(200, await self._asking.ask(lambda queries: queries.audit(filters, limit)))
