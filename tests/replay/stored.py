"""Exchanges of the tests as the files that an ingest server stores."""

from pathlib import Path

from msgspec.structs import replace

from tests.traffic.llm.example import Example, raw
from traffic.capture import metadata, names


def store(folder: Path, number: int, example: Example) -> Path:
    """What the names of its three files begin with; `number` sets the id and the time."""
    exchange = raw(example)
    digits = f"{number:08x}"
    at = f"{number // 60:02}:{number % 60:02}"
    facts = replace(
        exchange.metadata,
        id=f"{digits}-8b1c-4e5f-9a2b-3c4d5e6f7a8b",
        started_at=f"2026-09-13T02:{at}.000000Z",
    )
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"2026-09-13_02-{at.replace(':', '-')}.000_{digits}"
    for part, data in (
        (names.REQUEST, exchange.request),
        (names.RESPONSE, exchange.response),
        (names.METADATA, metadata.encode(facts)),
    ):
        Path(f"{stem}{part}").write_bytes(data)
    return stem
