"""Asks the index for the endpoints, in a thread, and words why there is no answer. Called by the endpoints."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from aiohttp import web

from ingest_server.answers import AnswerError
from ingest_server.api.threads import Threads
from ingest_server.index.filters import FilterError
from ingest_server.index.problems import NotFoundError, QueryError
from ingest_server.index.queries import Queries
from ingest_server.index.reference import Found

NO_INDEX: Final = (
    "this server keeps no index (ingest.index: false): set it to true and restart, or read the files in log_dir"
)

T = TypeVar("T")


class Asking:
    def __init__(self, index: Path, threads: Threads, is_on: Callable[[], bool]) -> None:
        """`is_on`: whether the settings want an index."""
        self._queries = Queries(index)
        self._threads = threads
        self._is_on = is_on

    async def ask(self, question: Callable[[Queries], T]) -> T:
        """Raises AnswerError."""
        if not self._is_on():
            raise AnswerError(404, NO_INDEX)
        try:
            return await self._threads.ask(partial(question, self._queries))
        except FilterError as error:
            raise AnswerError(400, str(error)) from None
        except NotFoundError as error:
            raise AnswerError(404, str(error)) from None
        except QueryError as error:
            raise AnswerError(503, str(error), retry_after_s=1) from None

    async def find(self, request: web.Request) -> Found:
        """The exchange that the path means. Raises AnswerError."""
        reference = request.match_info["ref"]
        return await self.ask(lambda queries: queries.resolve(reference))
