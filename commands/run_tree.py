"""The exchanges of one session as a tree: which continues which, in lines with guides in front.

    plan the trip
    (tool_calls)                 continues the one above it
    ├─ look up trains            two that continue the same one
    │  (tool_calls)
    └─ look up hotels

One that is alone in continuing another stands below it at the same depth: a long run does not drift to the right.
Called by `recorder sessions ID`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ingest_server.index.summary import ExchangeSummary


class Branch(NamedTuple):
    guides: str
    summary: ExchangeSummary
    parent: ExchangeSummary | None


def branches(summaries: Iterable[ExchangeSummary]) -> Iterator[Branch]:
    """All of them, oldest first where the tree leaves it open; a parent that is not among them is none."""
    ordered = sorted(summaries, key=lambda it: (it.started_at, it.id))
    by_id = {summary.id: summary for summary in ordered}
    children: defaultdict[str | None, list[ExchangeSummary]] = defaultdict(list)
    for summary in ordered:
        earlier = by_id.get(summary.parent or "")
        is_child = earlier is not None and (earlier.started_at, earlier.id) < (summary.started_at, summary.id)
        children[summary.parent if is_child else None].append(summary)
    waiting = [(root, "", "") for root in reversed(children[None])]
    while waiting:
        summary, first, others = waiting.pop()
        yield Branch(first, summary, by_id.get(summary.parent or ""))
        below = children[summary.id]
        if len(below) == 1:
            waiting.append((below[0], others, others))
            continue
        for place, child in enumerate(reversed(below)):
            waiting.append((child, others + ("├─ " if place else "└─ "), others + ("│  " if place else "   ")))
