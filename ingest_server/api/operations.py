"""Every endpoint of the ingest server. docs/api.md has an example of each."""

from typing import Final

import msgspec

from ingest_server.api import exchanges, figures, indexing, sessions
from ingest_server.api.bodies import StreamEvents
from ingest_server.api.detail import ExchangeDetail
from ingest_server.api.operation import BYTES, EVENTS, JSON, TEXT, Answer, Operation
from ingest_server.api.parameters import DECODED, EVENTS_LIMIT, EVENTS_START, text
from ingest_server.guard import LINK, OPEN
from ingest_server.index.audit import AuditRecord
from ingest_server.index.exchange_pages import ExchangePage
from ingest_server.index.filters import Parameter
from ingest_server.index.session_pages import SessionPage, SessionTree
from ingest_server.index.stats import Stats
from ingest_server.indexer import IndexStatus
from ingest_server.ledger import Report
from ingest_server.uploads import Position
from traffic.health import Health


class Alive(msgspec.Struct, frozen=True):
    """Exchanges and write errors since the server's start."""

    status: str
    open_exchanges: int
    completed: int
    incomplete: int
    gaps: int
    write_errors: int


_REFUSED: Final = {400: Answer("It is asked in a wrong way."), 403: Answer("The Host or the page is not let in.")}
_KEYED: Final = {**_REFUSED, 401: Answer("It wants a key, or another one.")}
_BUSY: Final = Answer("Not now: Retry-After says when.")
_ASKED: Final = {**_KEYED, 503: Answer("There is no index yet, or the query took too long.")}
_FOUND: Final = {**_ASKED, 404: Answer("No such recording, several, a deleted one, or the server keeps no index.")}
_LISTED: Final = {**_ASKED, 404: Answer("The server keeps no index.")}
_UPLOADED: Final = {**_KEYED, 408: Answer("The body stopped coming."), 503: _BUSY}
_RANGE: Final = Parameter("Range", text(), "Which bytes: one range.", "bytes=0-99")
_BODY: Final = {
    **_FOUND,
    200: Answer("The bytes; with decoded=1 in their own type where a browser would not run it.", "*/*"),
    206: Answer("A part of them.", "*/*"),
    413: Answer("It is too large to be decoded."),
    416: Answer("The range lies behind the end."),
}

OPERATIONS: Final = (
    Operation(
        "list_exchanges",
        "GET",
        "/v1/exchanges",
        "Exchanges that pass the filters, newest first",
        {**_LISTED, 200: Answer("A page of them.", JSON, ExchangePage)},
        query=exchanges.LISTING,
    ),
    Operation(
        "show_exchange",
        "GET",
        "/v1/exchanges/{ref}",
        "One exchange: its metadata, and its call to an LLM decoded anew",
        {**_FOUND, 200: Answer("The exchange.", JSON, ExchangeDetail)},
    ),
    Operation(
        "show_request",
        "GET",
        "/v1/exchanges/{ref}/request",
        "The request as stored, or decoded",
        _BODY,
        query=(DECODED,),
        headers=(_RANGE,),
    ),
    Operation(
        "show_response",
        "GET",
        "/v1/exchanges/{ref}/response",
        "The response as stored, or decoded",
        _BODY,
        query=(DECODED,),
        headers=(_RANGE,),
    ),
    Operation(
        "show_events",
        "GET",
        "/v1/exchanges/{ref}/events",
        "The events of a streamed response, with the times at which they arrived",
        {**_FOUND, 200: Answer("The events.", JSON, StreamEvents), 413: _BODY[413]},
        query=(EVENTS_LIMIT, EVENTS_START),
    ),
    Operation(
        "list_sessions",
        "GET",
        "/v1/sessions",
        "Sessions of which an exchange passes the filters, the one that was active last first",
        {**_LISTED, 200: Answer("A page of them.", JSON, SessionPage)},
        query=sessions.LISTING,
    ),
    Operation(
        "show_session",
        "GET",
        "/v1/sessions/{session}",
        "One session as a tree",
        {**_FOUND, 200: Answer("Its exchanges, each below the one that it continues.", JSON, SessionTree)},
        query=sessions.TREE,
    ),
    Operation(
        "show_stats",
        "GET",
        "/v1/stats",
        "Figures of the exchanges that pass the filters",
        {**_LISTED, 200: Answer("Counts, tokens, costs and times.", JSON, Stats)},
        query=figures.STATS,
    ),
    Operation(
        "show_audit",
        "GET",
        "/v1/admin/logs",
        "A record of each call to an LLM that has ended, newest first",
        {**_LISTED, 200: Answer("The records.", JSON, list[AuditRecord])},
        query=figures.AUDIT,
    ),
    Operation(
        "show_index",
        "GET",
        "/v1/index",
        "How far the index is",
        {**_KEYED, 200: Answer("Its state.", JSON, IndexStatus)},
    ),
    Operation(
        "reindex",
        "POST",
        "/v1/reindex",
        "Decode again what is in the index",
        {
            **_KEYED,
            202: Answer("It has begun: GET /v1/index tells how far it is.", JSON, IndexStatus),
            404: _LISTED[404],
        },
        query=indexing.REINDEX,
    ),
    Operation(
        "listen",
        "GET",
        "/v1/live",
        "What happens, as it happens: started, finished, call, lost",
        {**_KEYED, 200: Answer("Server-sent events.", EVENTS), 503: _BUSY},
        allows_head=False,
    ),
    Operation(
        "show_ledger",
        "GET",
        "/v1/ledger",
        "What became of each exchange, per recorder",
        {**_KEYED, 200: Answer("The ledger.", JSON, Report)},
    ),
    Operation(
        "health",
        "GET",
        "/health",
        "Whether the server is there",
        {**_REFUSED, 200: Answer("It is.", JSON, Alive)},
        guarded_as=OPEN,
    ),
    Operation(
        "health_detailed",
        "GET",
        "/health/detailed",
        "How its parts are",
        {
            **_KEYED,
            200: Answer("They work.", JSON, Health),
            503: Answer("One fails: recordings are being lost, or soon will be.", JSON, Health),
        },
    ),
    Operation("metrics", "GET", "/metrics", "Figures for Prometheus", {**_KEYED, 200: Answer("Figures.", TEXT)}),
    Operation(
        "openapi",
        "GET",
        "/openapi.json",
        "This document",
        {**_KEYED, 200: Answer("OpenAPI 3.1.", JSON, dict)},
    ),
    Operation(
        "put_journal",
        "PUT",
        "/v1/journals/{journal}/{offset}",
        "A recorder hands in its journal",
        {
            **_UPLOADED,
            200: Answer("Taken.", JSON, Position),
            409: Answer("It does not continue the journal: go on where this says.", JSON, Position),
            413: Answer("The body is too large."),
            422: Answer("No valid frame; those before it are taken."),
        },
        headers=(
            Parameter("X-Journal-Oldest", text("^[0-9]{1,18}$"), "The oldest offset that the recorder has.", "0"),
            Parameter("X-Recorder-Status", text(), "What the recorder tells of itself.", "{}"),
        ),
        body=Answer("Frames, from that offset of the journal on.", BYTES),
        guarded_as=LINK,
    ),
    *(
        Operation(
            f"put_{side}",
            "PUT",
            f"/{{id}}/{side}",
            f"Another program hands in the {side} of an exchange",
            {**_UPLOADED, 201: Answer("Stored."), 409: Answer("It is here already.")},
            body=Answer("The bytes as they were on the wire.", BYTES),
        )
        for side in ("request", "response")
    ),
)
