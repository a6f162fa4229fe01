"""Indexing: how many exchanges the indexer reads, decodes and writes in a second of its CPU. Called by the rounds.

The recordings are there before the ingest server starts, which then has nothing else to do.
"""

import json
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from bench.peers import running_ingest
from bench.plan import Figures, Plan
from bench.processes import LOAD_CORE, BenchError, Process, started

_EVENTS = 200
_FROM_SHARE = 0.1  # what comes before is the start: imports, the listing of the folder
_TIMEOUT_S = 600.0
_POLL_S = 0.05


def measure(_peer_name: str, plan: Plan, folder: Path) -> Figures:
    return {
        "json_per_s": _measure(folder / "json", plan.indexed, 0),
        "sse_per_s": _measure(folder / "sse", plan.indexed // 10, _EVENTS),
    }


def _measure(folder: Path, count: int, events: int) -> float:
    maker = [sys.executable, "-m", "bench.make_store", str(folder / "logs"), "--files", "--count", str(count)]
    with started([*maker, "--events", str(events)], LOAD_CORE) as made:
        made.wait(_TIMEOUT_S)
    with running_ingest(folder) as (ingest, url):
        from_count, from_s = _await(ingest, url, int(count * _FROM_SHARE))
        until_count, until_s = _await(ingest, url, count)
        return (until_count - from_count) / (until_s - from_s)


def _await(ingest: Process, url: str, count: int) -> tuple[int, float]:
    """How many are in the index once it has `count`, and the indexer's CPU seconds until then."""
    limit_s = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < limit_s:
        indexed = _indexed(url)
        if indexed >= count:
            return indexed, ingest.children_cpu_s()
        time.sleep(_POLL_S)
    raise BenchError(f"{indexed:,} of {count:,} exchanges were indexed after {_TIMEOUT_S:.0f} s")


def _indexed(url: str) -> int:
    try:
        with urlopen(f"{url}/v1/stats?by=day", timeout=60) as response:
            return int(json.load(response)["total"]["count"])
    except HTTPError:  # there is no index yet
        return 0
