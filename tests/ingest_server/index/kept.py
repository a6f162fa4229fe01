"""Exchanges as the index keeps them, made up for its tests, and whether filters let one pass, by a plain reading."""

import re
import uuid
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st

from ingest_server.index.filters import Filters
from ingest_server.index.row import KEYS_PER_US, Row
from tests.ingest_server.index.moments import NOW_US

ERRORS = ("upstream_timeout", "client_disconnect")
MODELS = ("gpt-4o", "gpt-4o-2024-08-06", "claude-sonnet-4")
ROUTES = ("openai", "local")
WORDS = ("dark", "darker", "mode", "tailwind")
TOOLS = ("read_file", "search")


on_an_index = settings(max_examples=50, deadline=None)  # each example makes a database


class Kept(NamedTuple):
    row: Row
    prompt: str = ""
    answer: str = ""


def kept(number: int = 0, prompt: str = "", answer: str = "", **columns: Any) -> Kept:
    """The exchange `number` seconds after NOW_US; `columns` beside those of a whole call to a model."""
    at = (NOW_US + number * 1_000_000) * KEYS_PER_US
    exchange_id = columns.pop("id", str(uuid.UUID(int=(number * 0x9E3779B97F4A7C15) % 2**64 << 64 | number)))
    values: dict[str, Any] = dict.fromkeys(Row._fields) | {
        "at": at,
        "id": exchange_id,
        "stem": f"2026-09-21_14-13-20.000_{exchange_id[:8]}",
        "is_open": False,
        "failed": False,
        "completed": True,
        "method": "POST",
        "url": "http://localhost:5601/openai/v1/chat/completions",
        "path": "/openai/v1/chat/completions",
        "client": "127.0.0.1:50123",
        "status": 200,
        "duration_ms": 100.0,
        "dialect": "openai.chat",
        "operation": "chat",
        "stream": False,
        "truncated": False,
        "usage_source": "missing",
        "preview": prompt,
        "decoder": "1",
    }
    return Kept(Row(**(values | columns)), prompt, answer)


def _maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


@st.composite
def many(draw: st.DrawFn) -> list[Kept]:
    """Up to 30 of few values, so that any two filters meet in some."""
    count = draw(st.integers(0, 30))
    return [draw(_one(number)) for number in range(count)]


@st.composite
def _one(draw: st.DrawFn, number: int) -> Kept:
    path = draw(st.sampled_from(["/openai/v1/responses", "/openai/v1/chat/completions", "/local/api/chat"]))
    said = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
    tools = draw(st.lists(st.sampled_from(TOOLS), unique=True))
    return kept(
        number,
        draw(said),
        draw(said),
        route=draw(_maybe(*ROUTES)),
        key=draw(_maybe("alice", "bob")),
        method=draw(st.sampled_from(["GET", "POST"])),
        path=path,
        status=draw(_maybe(200, 201, 404, 429, 500)),
        error=draw(_maybe(*ERRORS)),
        duration_ms=draw(_maybe(0.5, 10.0, 2000.0)),
        session=draw(_maybe("s1", "s2")),
        provider=draw(_maybe("openai", "anthropic")),
        model=draw(_maybe(*MODELS)),
        response_model=draw(_maybe(*MODELS)),
        input_tokens=draw(_maybe(0, 10)),
        output_tokens=draw(_maybe(1, 10)),
        cost_usd=draw(_maybe(0.0, 0.5)),
        tools="\n".join(tools) or None,
    )


_FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "route": st.sampled_from([*ROUTES, "none"]),
    "provider": st.sampled_from(["openai", "anthropic", "x"]),
    "model": st.sampled_from([*MODELS, "x"]),
    "status": st.sampled_from([range(404, 405), range(200, 201), range(400, 500), range(200, 300), range(100, 200)]),
    "error": st.sampled_from(["any", "none", *ERRORS]),
    "session": st.sampled_from(["s1", "s3"]),
    "key": st.sampled_from(["alice", "eve"]),
    "method": st.sampled_from(["GET", "POST", "PUT"]),
    "path": st.sampled_from(["/openai/v1/responses", "/openai/*", "/openai", "/*", "*", "/x/*"]),
    "since_us": st.integers(-1, 30).map(lambda seconds: NOW_US + seconds * 1_000_000),
    "until_us": st.integers(-1, 31).map(lambda seconds: NOW_US + seconds * 1_000_000),
    "min_latency_ms": st.sampled_from([0.5, 11.0]),
    "max_latency_ms": st.sampled_from([0.4, 10.0]),
    "min_tokens": st.sampled_from([1, 10, 11]),
    "max_tokens": st.sampled_from([0, 10, 11]),
    "min_cost_usd": st.sampled_from([0.0, 0.1]),
    "max_cost_usd": st.sampled_from([0.0, 0.5]),
    "q": st.sampled_from(["dark", "dark*", '"dark mode"', '"dark mo"*', "mode dark", "DARK tailwind", "-", "x"]),
    "tool": st.sampled_from([*TOOLS, "x"]),
}


def any_filters(max_size: int = 3) -> st.SearchStrategy[Filters]:
    names = st.lists(st.sampled_from(sorted(_FILTERS)), max_size=max_size, unique=True)
    return names.flatmap(lambda chosen: st.builds(Filters, **{name: _FILTERS[name] for name in chosen}))


def passes(filters: Filters, one: Kept) -> bool:
    row = one.row
    started_us = row.at // KEYS_PER_US
    tokens = [count for count in (row.input_tokens, row.output_tokens) if count is not None]
    conditions = (
        *(getattr(filters, name) in (None, getattr(row, name)) for name in ("route", "provider", "session", "key")),
        filters.method in (None, row.method),
        filters.model in (None, row.model, row.response_model),
        filters.status is None or row.status in filters.status,
        filters.error in (None, row.error, "none" if row.error is None else "any"),
        filters.path is None or _path_passes(filters.path, row.path),
        filters.since_us is None or started_us >= filters.since_us,
        filters.until_us is None or started_us < filters.until_us,
        _within(row.duration_ms, filters.min_latency_ms, filters.max_latency_ms),
        _within(sum(tokens) if tokens else None, filters.min_tokens, filters.max_tokens),
        _within(row.cost_usd, filters.min_cost_usd, filters.max_cost_usd),
        filters.q is None or _says(filters.q.lower(), one),
        filters.tool is None or filters.tool in (row.tools or "").split("\n"),
    )
    return all(conditions)


def _path_passes(wanted: str, path: str) -> bool:
    return path.startswith(wanted[:-1]) if wanted.endswith("*") else path == wanted


def _within(value: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _says(wanted: str, one: Kept) -> bool:
    terms = re.findall(r'"([^"]*)"(\*?)|([a-z]+)(\*?)', wanted)
    found = []
    for phrase, star, word, word_star in terms:
        pattern = rf"\b{phrase or word}" + ("" if star or word_star else r"\b")
        found.append(any(re.search(pattern, text) for text in (one.prompt, one.answer)))
    return bool(found) and all(found)
