"""Parquet, a row per exchange, written by DuckDB; docs/export.md lists the columns. Prompts and answers are in it.

Rows go as JSON lines into `out`, which DuckDB reads and writes as Parquet beside it; then that takes their place. So no
more is in memory than an exchange, or a group of rows. DuckDB is an extra: MissingError tells how to install it.
"""

import glob
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.export.lineage import Lineage
from traffic.export.missing import MissingError
from traffic.export.spans import Place
from traffic.llm.call import LlmCall, ToolCall
from traffic.llm.decode import Decoder
from traffic.llm.sessions import named_session

# Of the columns, in their order. JSON is text that DuckDB's JSON functions read.
COLUMNS: Final = {
    "id": "UUID",
    "started_at": "TIMESTAMPTZ",
    "route": "VARCHAR",
    "provider": "VARCHAR",
    "key": "VARCHAR",
    "session": "VARCHAR",
    "parent": "UUID",
    "method": "VARCHAR",
    "url": "VARCHAR",
    "upstream_url": "VARCHAR",
    "client": "VARCHAR",
    "status": "SMALLINT",
    "completed": "BOOLEAN",
    "error": "VARCHAR",
    "duration_ms": "DOUBLE",
    "connect_ms": "DOUBLE",
    "first_byte_ms": "DOUBLE",
    "request_bytes": "BIGINT",
    "response_bytes": "BIGINT",
    "dialect": "VARCHAR",
    "operation": "VARCHAR",
    "model": "VARCHAR",
    "response_model": "VARCHAR",
    "response_id": "VARCHAR",
    "stream": "BOOLEAN",
    "finish_reason": "VARCHAR",
    "truncated": "BOOLEAN",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cached_input_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "reasoning_tokens": "BIGINT",
    "usage_source": "VARCHAR",
    "cost_usd": "DOUBLE",
    "cost_source": "VARCHAR",
    "ttft_ms": "DOUBLE",
    "tokens_per_s": "DOUBLE",
    "gap_p50_ms": "DOUBLE",
    "gap_p99_ms": "DOUBLE",
    "gap_max_ms": "DOUBLE",
    "provider_error": "VARCHAR",
    "prompt": "VARCHAR",
    "answer": "VARCHAR",
    "tool_calls": "VARCHAR[]",
    "tools": "VARCHAR[]",
    "parameters": "JSON",
    "input": "JSON",
    "output": "JSON",
}
_LINE_BYTES: Final = 16 * 1024 * 1024  # what DuckDB reads in one where nobody says more
_GROUP_BYTES: Final = 64 * 1024 * 1024


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> None:
    """`out`: an empty file in a folder where another may be made. Raises MissingError, OSError."""
    try:
        import duckdb  # noqa: PLC0415 an extra
    except ImportError:
        raise MissingError("Parquet is written by DuckDB: pip install 'llm-flight-recorder[parquet]'") from None
    longest = _write_lines(exchanges, out, decoder)
    made = Path(f"{out.name}.parquet")
    try:
        with duckdb.connect(config={"threads": 1, "preserve_insertion_order": False}) as database:
            # One thread keeps the order of rows; where they are to keep it, a group of them has no limit in bytes.
            database.execute(_copy(out.name, str(made), max(longest + 1, _LINE_BYTES)))
    except duckdb.IOException as error:
        raise OSError(str(error)) from None
    with made.open("rb") as parquet:
        out.seek(0)
        out.truncate()
        shutil.copyfileobj(parquet, out)
    made.unlink()


def _write_lines(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> int:
    """The bytes of the longest."""
    lineage = Lineage()
    longest = 0
    for exchange in exchanges:
        line = msgspec.json.encode(_row(exchange, decoder, lineage)) + b"\n"
        longest = max(longest, len(line))
        out.write(line)
    out.flush()
    return longest


def _copy(lines: str, made: str, line_bytes_max: int) -> str:
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    rows = (
        f"read_json({_text(glob.escape(lines))}, format = 'newline_delimited', compression = 'uncompressed', "
        f"maximum_object_size = {line_bytes_max}, columns = {{{columns}}})"
    )
    return (
        f"COPY (SELECT * FROM {rows}) TO {_text(made)} "  # noqa: S608 both names are quoted
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES {_GROUP_BYTES})"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _row(exchange: RecordedExchange, decoder: Decoder, lineage: Lineage) -> dict[str, Any]:
    facts = exchange.metadata
    decoded = decoder.decode(exchange)
    row = {
        "id": facts.id,
        "started_at": facts.started_at,
        "route": facts.route,
        "provider": facts.provider,
        "key": facts.key,
        "session": named_session({name.lower(): value for name, value in facts.request.headers}),
        "method": facts.method,
        "url": facts.url,
        "upstream_url": facts.upstream_url,
        "client": facts.client,
        "status": facts.response.status,
        "completed": facts.completed,
        "error": facts.error.name if facts.error is not None else None,
        "duration_ms": facts.durations_ms.total,
        "connect_ms": facts.durations_ms.connect,
        "first_byte_ms": facts.durations_ms.first_byte,
        "request_bytes": len(exchange.request),
        "response_bytes": len(exchange.response),
    }
    return row if decoded is None else row | _call(decoded.call, lineage.place(facts, decoded.call))


def _call(call: LlmCall, place: Place) -> dict[str, Any]:
    usage, cost, timing = call.usage, call.cost, call.timing
    called = [part.name for message in call.output for part in message.parts if isinstance(part, ToolCall)]
    return {
        "provider": call.provider,
        "session": place.session,
        "parent": place.parent,
        "dialect": call.dialect,
        "operation": call.operation,
        "model": call.model,
        "response_model": call.response_model,
        "response_id": call.response_id,
        "stream": call.stream,
        "finish_reason": call.finish_reason,
        "truncated": call.truncated,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "usage_source": usage.source,
        "cost_usd": cost.usd if cost is not None else None,
        "cost_source": cost.source if cost is not None else None,
        "ttft_ms": timing.ttft_ms,
        "tokens_per_s": timing.tokens_per_s,
        "gap_p50_ms": timing.gap_p50_ms,
        "gap_p99_ms": timing.gap_p99_ms,
        "gap_max_ms": timing.gap_max_ms,
        "provider_error": call.error.message if call.error is not None else None,
        "prompt": next((each.text for each in reversed(call.input) if each.role == "user" and each.text), None),
        "answer": call.output[0].text if call.output else None,
        "tool_calls": called,
        "tools": [tool.name for tool in call.tools],
        "parameters": call.parameters,
        "input": call.input,
        "output": call.output,
    }
