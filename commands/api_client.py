"""The ingest server's API as the commands ask it. What it answers is what its own structs say; what it cannot answer
becomes a few helpful words and exit code 1. Made by source.py.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import quote, urlencode

import click
import msgspec

from commands.ask import answer, health
from commands.live_events import Event, live_events
from commands.plain_text import plain
from commands.shown_exchange import ShownExchange, StreamEvents
from ingest_server.index.exchange_pages import ExchangePage
from ingest_server.index.session_pages import SessionPage, SessionTree
from ingest_server.index.stats import Stats
from ingest_server.indexer import IndexStatus
from traffic.capture import metadata
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata

TIMEOUT_S = 30.0  # of one read; the server gives up on a query earlier
BUSY_S, BUSY_RETRY_S = 5.0, 0.2  # a server that says "not now" is asked again
_PROBLEM_BYTES_MAX = 64 * 1024
_PIECE_BYTES = 256 * 1024

Values = Sequence[tuple[str, str]]  # of a query string
_T = TypeVar("_T")


class _Described(msgspec.Struct):
    """What is read of an exchange's detail."""

    metadata: msgspec.Raw


class AskError(click.ClickException):
    """The text may quote what a server said: it is escaped."""

    def __init__(self, problem: str) -> None:
        super().__init__(plain(problem))


class _NotYetError(AskError):
    """The server has just started, and its index not yet; or it cannot."""


class RefusedError(AskError):
    """The server is there, and says no to this question."""


class ApiClient:
    """Every method raises AskError."""

    def __init__(self, url: str, ca: Path | None, key: str | None, name: str | None = None) -> None:
        """`ca`: who certifies an https server. `name`: of what it serves, for people, where that is not its URL."""
        self.name = name or url
        self._url = url
        self._ca = ca
        self._key = key

    def exchanges(self, values: Values, limit: int, cursor: str | None = None) -> ExchangePage:
        """Those that pass, newest first; `limit` is at most 1,000."""
        paging = [("limit", str(limit)), *([("cursor", cursor)] if cursor is not None else [])]
        return self._decoded(self._get("/v1/exchanges", [*values, *paging]), ExchangePage)

    def exchange(self, reference: str) -> ShownExchange:
        return self._decoded(self.exchange_json(reference), ShownExchange)

    def exchange_json(self, reference: str) -> bytes:
        return self._get(f"/v1/exchanges/{quote(reference)}")

    def events(self, reference: str) -> Iterator[StreamEvents]:
        """In pages; problems of the whole are on each."""
        start: int | None = 0
        while start is not None:
            body = self._get(f"/v1/exchanges/{quote(reference)}/events", [("start", str(start))])
            page = self._decoded(body, StreamEvents)
            yield page
            start = page.next

    def stats(self, by: str, values: Values) -> Stats:
        return self._decoded(self._get("/v1/stats", [("by", by), *values]), Stats)

    def sessions(self, values: Values, limit: int) -> SessionPage:
        return self._decoded(self._get("/v1/sessions", [*values, ("limit", str(limit))]), SessionPage)

    def session(self, name: str) -> SessionTree:
        """With its newest 1,000 exchanges."""
        return self._decoded(self._get(f"/v1/sessions/{quote(name, safe='')}", [("limit", "1000")]), SessionTree)

    def index(self) -> IndexStatus:
        return self._decoded(self._get("/v1/index"), IndexStatus)

    def reindex(self, values: Values) -> IndexStatus:
        """Begin; index() tells how far it is."""
        target = f"/v1/reindex?{urlencode(values)}"
        with self._asking(), self._answer(target, TIMEOUT_S, "POST") as response:
            return self._decoded(response.read(), IndexStatus)

    def file(self, reference: str, side: str) -> Iterator[bytes]:
        """A request or a response as it is stored, piece by piece."""
        with self._asking(), self._answer(f"/v1/exchanges/{quote(reference)}/{side}", TIMEOUT_S) as response:
            while piece := response.read(_PIECE_BYTES):
                yield piece
            if response.length:
                raise ConnectionError(f"it stopped {response.length:,} bytes before the end")

    def recorded(self, reference: str) -> RecordedExchange:
        """The whole of it, in memory."""
        facts = self._metadata(self.exchange_json(reference))
        request, response = (b"".join(self.file(facts.id, side)) for side in ("request", "response"))
        return RecordedExchange(facts, request, response)

    def live(self) -> Iterator[Event]:
        """What happens, without end."""

        def connect(timeout_s: float) -> AbstractContextManager[HTTPResponse]:
            return self._answer("/v1/live", timeout_s)

        with self._asking():
            yield from live_events(connect)

    def _get(self, path: str, values: Values = ()) -> bytes:
        target = f"{path}?{urlencode(values)}" if values else path
        until_s = time.monotonic() + BUSY_S
        while True:
            try:
                with self._asking(), self._answer(target, TIMEOUT_S) as response:
                    return response.read()
            except _NotYetError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(BUSY_RETRY_S)

    def _decoded(self, body: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise self._other_version(error) from None

    def _metadata(self, body: bytes) -> Metadata:
        try:
            return metadata.decode(bytes(self._decoded(body, _Described).metadata))
        except msgspec.DecodeError as error:
            raise self._other_version(error) from None

    def _other_version(self, error: Exception) -> AskError:
        return AskError(f"the ingest server at {self.name} is of another version: {error}")

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (OSError, HTTPException) as error:
            text = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AskError(
                f"the ingest server at {self.name} does not answer: {text}\n"
                "`recorder up` starts it; --log-dir reads a folder of recordings without one"
            ) from None

    @contextmanager
    def _answer(self, target: str, timeout_s: float, method: str = "GET") -> Iterator[HTTPResponse]:
        with answer(self._url, target, self._ca, self._key, timeout_s, method) as response:
            if response.status >= 400:
                self._explain(response.status, response.read(_PROBLEM_BYTES_MAX).decode("utf-8", "backslashreplace"))
            yield response

    def _explain(self, status: int, text: str) -> NoReturn:
        if status == 503:
            raise _NotYetError(text.strip())
        if status == 401:
            given = (
                "the one that was sent is none of ingest.keys"
                if self._key
                else "--server-key or RECORDER_KEY gives one"
            )
            raise AskError(f"the ingest server at {self.name} wants a key: {given}")
        found = health(self._url, self._ca)
        if found.get("service") == "recorder":
            raise AskError(f"{self.name} is a recorder: ask the ingest server that it sends its recordings to")
        if "open_exchanges" not in found:
            raise AskError(f"what answers at {self.name} ({status}) is no ingest server")
        if text.startswith("no such path"):
            raise AskError(
                f"the ingest server at {self.name} is of an older version, which answers no questions: "
                "--log-dir reads its folder"
            )
        raise RefusedError(text.strip() or f"the ingest server at {self.name} answers {status}")
