"""The sections "Index" of RESULTS.md: what indexing costs, and how fast the index answers. Called by the report."""

from bench.made import COMMON_EVERY, RARE_EVERY
from bench.results import Results

PAGES = ("model", "route", "status", "key", "session", "time", "model_day")
SEARCHES = ("word_common", "word_rare")
_KINDS = {
    "model": "a page of 50: by model",
    "route": "by route",
    "status": "by status",
    "key": "by key",
    "session": "by session",
    "time": "of an hour",
    "model_day": "by model and day",
    "word_common": f"full text: a word in 1 of {COMMON_EVERY}",
    "word_rare": f"full text: a word in 1 of {RARE_EVERY:,}",
    "stats_day": "stats by day, over all",
}

METHOD = """\
- Indexing: an ingest server starts over recordings that are not in its index, chats of about 1 KB each way, or with
  answers of 200 events; exchanges per second of CPU of the indexer, after its first tenth.
- The indexer, a child of the ingest server, is in none of that one's figures but "queries": it works behind the
  recording with low priority, and goes on when a load has ended. `unindexed` has none (`ingest.index: false`).
- Queries: `bench.make_store` builds the index through the product's own writer; an ingest server answers over HTTP,
  whole answers timed at the client, values varied, every other page a second one. Memory is the peak of ingest server
  and indexer together, from their start on.
"""


def slowest_ms(results: Results, kinds: tuple[str, ...]) -> float | None:
    """The p95 of the slowest of them."""
    medians = [results.median("queries", "recorder", f"{kind}_p95_ms") for kind in kinds]
    return max((value for value in medians if value is not None), default=None)


def sections(results: Results) -> list[str]:
    indexing, queries = _indexing(results), _queries(results)
    return [*indexing, *([""] if indexing and queries else []), *queries]


def _indexing(results: Results) -> list[str]:
    figures = {
        "1 KB JSON": results.median("indexing", "recorder", "json_per_s"),
        "streams of 200 events": results.median("indexing", "recorder", "sse_per_s"),
    }
    lines = [f"| {name} | {value:,.0f} |" for name, value in figures.items() if value is not None]
    return ["## Index: exchanges per second and core", "| | |", "|---|---|", *lines] if lines else []


def _queries(results: Results) -> list[str]:
    count = results.median("queries", "recorder", "counted")
    if count is None:
        return []
    lines = [f"## Index: queries over {count:,.0f} exchanges", "| | p50 ms | p95 ms |", "|---|---|---|"]
    for kind, what in _KINDS.items():
        p50, p95 = (results.median("queries", "recorder", f"{kind}_{figure}_ms") for figure in ("p50", "p95"))
        lines.append(f"| {what} | {p50:.1f} | {p95:.1f} |")
    memory_mib = results.median("queries", "recorder", "memory_mib")
    return [*lines, "", f"Memory of ingest server and indexer: {memory_mib:.0f} MiB at its peak."]
