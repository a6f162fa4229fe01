"""A comparison as a person reads it: facts of both sides beside each other, then each difference. Everything from
recordings is escaped. Called by `recorder diff` and `recorder replay --diff`.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from rich.text import Text

from commands.columns import Column, Rows
from commands.conversation import Line
from commands.figures import cost, duration, full_count
from commands.plain_text import plain
from commands.text_diff import ADDED, REMOVED, changed_words
from replay.compare import Comparison, Difference
from replay.compared_exchange import Facts

_BODIES: Final = frozenset({"request", "response", "answer"})
_WORDS_CHARACTERS_MIN: Final = 24  # of texts that are compared word by word
_VALUE_CHARACTERS_MAX: Final = 2_000
_NOTHING: Final = "-"


class _Row(NamedTuple):
    name: str
    a: str
    b: str


_COLUMNS: Final = (
    Column("", lambda row: row.name),
    Column("A", lambda row: row.a, width_max=32, style=lambda row: "" if row.a == row.b else "yellow"),
    Column("B", lambda row: row.b, width_max=32, style=lambda row: "" if row.a == row.b else "yellow"),
)


def lines_of(comparison: Comparison, width: int | None) -> Iterator[Line]:
    """`width`: of the terminal; None: there is none."""
    for name, facts in (("A", comparison.a), ("B", comparison.b)):
        when = facts.started_at.replace("T", " ").partition(".")[0] + " UTC"
        yield Line(Text.assemble((name, "bold"), (f"  {facts.id}", "bold cyan"), (f"  {when}", "dim")))
        yield Line(Text(plain(f"{facts.method} {facts.url}")), indent=3)
    yield Line(Text())
    found = list(_rows(comparison.a, comparison.b))
    rows = Rows(_COLUMNS, found, width)
    yield Line(rows.title())
    for row in found:
        yield Line(rows.row(row))
    for difference in sorted(comparison.differences, key=lambda each: not each.matters):
        yield Line(Text())
        yield from lines_of_difference(difference)
    yield Line(Text())
    yield Line(verdict(comparison))


def lines_of_difference(difference: Difference) -> Iterator[Line]:
    name = plain(difference.ignore or difference.section)
    title = Text.assemble((name, "bold" if difference.matters else "dim"))
    if difference.ignore is not None and not difference.ignore.endswith(difference.path):
        title.append(plain(f"  at {difference.path}"), "dim")
    if not difference.matters:
        title.append("  (does not matter)", "dim")
    yield Line(title)
    a, b = difference.a, difference.b
    is_text = isinstance(a, str) and isinstance(b, str) and max(len(a), len(b)) >= _WORDS_CHARACTERS_MIN
    if is_text and difference.section in _BODIES:
        for text in changed_words(a, b):
            yield Line(text, indent=2)
        return
    if difference.kind != "added":
        yield Line(Text(f"- {value_text(a)}", REMOVED), indent=2)
    if difference.kind != "removed":
        yield Line(Text(f"+ {value_text(b)}", ADDED), indent=2)


def verdict(comparison: Comparison) -> Text:
    matter = sum(difference.matters for difference in comparison.differences)
    told = len(comparison.differences) - matter
    others = f", and {told} that {'does' if told == 1 else 'do'} not" if told else ""
    if not matter:
        return Text.assemble(("the same", "bold green"), ", as far as it matters" if told else "")
    counted = "1 difference matters" if matter == 1 else f"{matter} differences matter"
    return Text.assemble((counted, "bold red"), others)


def value_text(value: Any) -> str:
    text = plain(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _VALUE_CHARACTERS_MAX else f"{text[:_VALUE_CHARACTERS_MAX]}…"


def _rows(a: Facts, b: Facts) -> Iterator[_Row]:
    """Those that tell something of one side at least."""
    for name, of_a, of_b in zip(_NAMES, _figures(a), _figures(b), strict=True):
        if (of_a, of_b) != (_NOTHING, _NOTHING):
            yield _Row(name, of_a, of_b)


_NAMES: Final = (
    "status",
    "model",
    "served by",
    "finish reason",
    "tokens in",
    "  cached",
    "tokens out",
    "  reasoning",
    "cost",
    "first token",
    "tokens/s",
    "gap median",
    "gap p99",
    "gap longest",
    "total",
)


def _figures(facts: Facts) -> list[str]:
    figures = [
        facts.status,
        facts.model,
        facts.response_model,
        facts.finish_reason,
        full_count(facts.input_tokens),
        full_count(facts.cached_input_tokens),
        full_count(facts.output_tokens),
        full_count(facts.reasoning_tokens),
        cost(facts.cost_usd),
        duration(facts.ttft_ms),
        None if facts.tokens_per_s is None else f"{facts.tokens_per_s:.0f}",
        duration(facts.gap_p50_ms),
        duration(facts.gap_p99_ms),
        duration(facts.gap_max_ms),
        duration(facts.total_ms),
    ]
    return [_NOTHING if figure is None else str(figure) for figure in figures]
