"""Puts exchanges into a folder as the three files that docs/format.md describes: what plays a folder plays them.

For a folder that has no other writer: a `log_dir` belongs to its ingest server. Called by `recorder play` for what is
no folder: a bundle, or what a query selects.
"""

from datetime import datetime
from itertools import chain
from pathlib import Path

from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange


def write_exchange(folder: Path, exchange: RecordedExchange) -> Path:
    """What the names of its files begin with. Raises OSError."""
    facts = exchange.metadata
    moment = datetime.fromisoformat(facts.started_at)
    started_ns = int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
    stems = (names.stem(started_ns, digits) for digits in chain([facts.id[:8]], names.other_digits(facts.id)))
    stem = next(stem for stem in stems if not (folder / f"{stem}{names.METADATA}").exists())
    contents = (exchange.request, exchange.response, metadata.encode(facts))
    for part, content in zip(names.PARTS, contents, strict=True):
        (folder / f"{stem}{part}").write_bytes(content)
    return folder / stem
