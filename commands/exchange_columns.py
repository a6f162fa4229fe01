"""An exchange in a line: the columns of `recorder list` and `recorder sessions ID`."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from commands.columns import Column, Rows
from commands.figures import UNKNOWN, cost, duration, moment, short_count
from ingest_server.index.summary import ExchangeSummary
from traffic.capture.names import short_id

_BEFORE_PATH: Final = re.compile(r"\A[a-z]+://[^/?#]*", re.IGNORECASE)


def exchange_rows(samples: Sequence[ExchangeSummary], width: int | None, *, more_come: bool = False) -> Rows:
    return Rows(exchange_columns(datetime.now(UTC)), samples, width, more_come=more_come)


def exchange_columns(now: datetime, of: Callable[[Any], ExchangeSummary] = lambda value: value) -> list[Column]:
    """`of`: the exchange in a row's value; what it is about is the last column."""
    return [
        Column(
            "time (UTC)",
            lambda it: moment(of(it).started_at, now),
            lambda it: of(it).started_at,
            width_usual=8,
            style=lambda _: "dim",
        ),
        Column("id", lambda it: short_id(of(it).id), lambda it: of(it).id, width_usual=8, style=lambda _: "cyan"),
        Column("route", lambda it: of(it).route or "", width_max=14, width_usual=10, gives_way=4),
        Column("model", lambda it: _model(of(it)), width_max=26, width_min=16, width_usual=16, style=lambda _: "bold"),
        Column(
            "status",
            lambda it: outcome(of(it)),
            lambda it: outcome(of(it)).replace(" ", ":"),
            width_max=24,
            width_min=12,
            style=lambda it: outcome_style(of(it)),
        ),
        Column("took", lambda it: duration(of(it).duration_ms), width_usual=6, is_number=True),
        Column("first", lambda it: duration(_ttft_ms(of(it))), width_usual=6, is_number=True, gives_way=5),
        _token_column("in", of, gives_way=2),
        _token_column("out", of, gives_way=1),
        Column("cost", lambda it: cost(_cost_usd(of(it))), width_usual=8, is_number=True, gives_way=3),
        Column("prompt", lambda it: said(of(it)), width_max=1_000),
    ]


def _token_column(which: Literal["in", "out"], of: Callable[[Any], ExchangeSummary], gives_way: int) -> Column:
    def exact(value: Any) -> str:
        tokens = tokens_of(of(value), which)
        return UNKNOWN if tokens is None else str(tokens)

    return Column(
        which,
        lambda it: short_count(tokens_of(of(it), which)),
        exact,
        width_usual=4,
        is_number=True,
        gives_way=gives_way,
    )


def said(summary: ExchangeSummary) -> str:
    """What the exchange is about: the newest prompt; of plain HTTP, and where nobody said anything, its request."""
    if summary.call is not None and summary.call.preview:
        return summary.call.preview
    target = _BEFORE_PATH.sub("", summary.url).partition("#")[0]
    return f"{summary.method} {target or summary.url}"


def outcome(summary: ExchangeSummary) -> str:
    """`200`, `502 upstream_refused`, `200 open`; `200 server_error` and `200 cut` where the answer tells."""
    status = UNKNOWN if summary.status is None else str(summary.status)
    if summary.error is not None:
        return f"{status} {summary.error}"
    if not summary.completed:
        return f"{status} open"
    return f"{status} {fault(summary)}".rstrip()


def fault(summary: ExchangeSummary) -> str:
    """What is wrong with an answer, and its status does not tell."""
    call = summary.call
    if call is None or (summary.status or 0) >= 400:
        return ""
    if call.error is not None:
        return call.error.type or call.error.code or "error"
    return "cut" if call.truncated else ""


def outcome_style(summary: ExchangeSummary) -> str:
    if summary.error is not None or (summary.status or 0) >= 500 or (summary.completed and fault(summary)):
        return "red"
    if not summary.completed:
        return "blue"
    return "yellow" if (summary.status or 0) >= 400 else "green"


def _model(summary: ExchangeSummary) -> str:
    return (summary.call.model or summary.call.response_model or "") if summary.call is not None else ""


def tokens_of(summary: ExchangeSummary, which: Literal["in", "out"]) -> int | None:
    if summary.call is None:
        return None
    usage = summary.call.usage
    return usage.input_tokens if which == "in" else usage.output_tokens


def _ttft_ms(summary: ExchangeSummary) -> float | None:
    return summary.call.ttft_ms if summary.call is not None else None


def _cost_usd(summary: ExchangeSummary) -> float | None:
    return summary.call.cost_usd if summary.call is not None else None
