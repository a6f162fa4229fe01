"""One exchange as the index keeps it: the columns of the table `exchanges`, in their order.

`at` is the key: the start in microseconds since the epoch, times 1024, plus a number that makes it unique. So the order
of keys is the order of time, a range of time is a range of keys, and a cursor is a key. Made by entry.py, written by
writer.py, read by the queries.
"""

from typing import NamedTuple

import msgspec

from ingest_server.index.summary import CallSummary, ExchangeSummary, UsageSummary
from traffic.capture import names
from traffic.llm.call import ProviderError

KEYS_PER_US = 1024
_KEYS_PER_MS = 1000 * KEYS_PER_US

_decode_error = msgspec.json.Decoder(ProviderError).decode


class Row(NamedTuple):
    at: int
    id: str
    stem: str  # of its files, relative to log_dir
    is_open: bool  # it had no end yet when it was indexed
    failed: bool  # not complete, a status of 400 or more, or an error of the provider
    completed: bool
    route: str | None
    key: str | None
    method: str
    url: str
    path: str  # of `url`: without the authority and the query
    client: str
    status: int | None
    error: str | None
    duration_ms: float | None
    session: str | None
    parent: str | None  # the id of the exchange that it continues
    decoder: str  # the fingerprint of what decoded it
    dialect: str | None = None  # None: plain HTTP, and all below is empty
    operation: str | None = None
    provider: str | None = None
    model: str | None = None
    response_model: str | None = None
    stream: bool = False
    finish_reason: str | None = None
    truncated: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_source: str | None = None
    cost_usd: float | None = None
    cost_source: str | None = None
    ttft_ms: float | None = None
    tokens_per_s: float | None = None
    preview: str = ""
    tools: str | None = None  # names of the tools that the answer calls, each once, one a line
    provider_error: str | None = None  # call.ProviderError as JSON
    problems: str | None = None  # what could not be decoded, a line each
    response_id: str | None = None
    request_hash: int | None = None  # of the whole list of messages
    answer_hash: int | None = None  # of that list and the answer
    base_hash: int | None = None  # of the list that its direct parent would have; None: there is no history in it


COLUMNS = ", ".join(Row._fields)


def key_range(since_us: int, until_us: int) -> tuple[int, int]:
    """The keys of what began at `since_us` or later, and before `until_us`: from the first to below the second."""
    return since_us * KEYS_PER_US, until_us * KEYS_PER_US


def keys_of_millisecond(at: int) -> tuple[int, int]:
    """The keys of what began in the same millisecond: all that a file's name tells of its time."""
    first = at - at % _KEYS_PER_MS
    return first, first + _KEYS_PER_MS


def started_at(at: int) -> str:
    return names.iso(at // KEYS_PER_US * 1000)


def summary_of(row: Row) -> ExchangeSummary:
    return ExchangeSummary(
        id=row.id,
        started_at=started_at(row.at),
        route=row.route,
        key=row.key,
        method=row.method,
        url=row.url,
        status=row.status,
        completed=bool(row.completed),
        error=row.error,
        duration_ms=row.duration_ms,
        session=row.session,
        parent=row.parent,
        call=_call(row),
    )


def error_of(provider_error: str | None) -> ProviderError | None:
    """Of the column of that name."""
    return None if provider_error is None else _decode_error(provider_error)


def _call(row: Row) -> CallSummary | None:
    if row.dialect is None:
        return None
    return CallSummary(
        provider=row.provider,
        dialect=row.dialect,
        operation=row.operation or "",
        model=row.model,
        response_model=row.response_model,
        stream=bool(row.stream),
        finish_reason=row.finish_reason,
        truncated=bool(row.truncated),
        usage=UsageSummary(
            row.input_tokens,
            row.output_tokens,
            row.cached_input_tokens,
            row.cache_write_tokens,
            row.reasoning_tokens,
            row.usage_source or "missing",
        ),
        cost_usd=row.cost_usd,
        cost_source=row.cost_source,
        ttft_ms=row.ttft_ms,
        tokens_per_s=row.tokens_per_s,
        preview=row.preview,
        tool_calls=tuple(row.tools.split("\n")) if row.tools else (),
        error=error_of(row.provider_error),
    )
