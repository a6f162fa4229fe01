"""Queries: how fast an ingest server answers over an index of many exchanges, and in how much memory. Called by the
rounds.
"""

import sys
import time
from pathlib import Path

from bench.peers import running_ingest
from bench.plan import MIB, Figures, Plan
from bench.processes import LOAD_CORE, BenchError, Process, started

_MAKE_TIMEOUT_S = 3_600.0
_SETTLE_TIMEOUT_S = 600.0
_POLL_S = 0.5


def measure(_peer_name: str, plan: Plan, folder: Path) -> Figures:
    """Each kind of query's p50 and p95 over HTTP, and the highest memory of the server and its indexer together."""
    (folder / "logs").symlink_to(_store(plan.stored, folder.parent))
    with running_ingest(folder) as (ingest, url):
        _settle(ingest)
        with started([sys.executable, "-m", "bench.load_queries", url, str(plan.stored)], LOAD_CORE) as load:
            figures = load.read_figures()
        figures["memory_mib"] = ingest.peak_rss_bytes() / MIB
    if figures["counted"] != plan.stored:
        raise BenchError(f"the index tells of {figures['counted']:,.0f} exchanges, not of {plan.stored:,}")
    return figures


def _store(count: int, folder: Path) -> Path:
    """Made once for all rounds."""
    store = folder / f"store-{count}"
    if not store.exists():
        with started([sys.executable, "-m", "bench.make_store", store, "--count", str(count)], LOAD_CORE) as maker:
            maker.wait(_MAKE_TIMEOUT_S)
    return store


def _settle(ingest: Process) -> None:
    """Return once the indexer has compared the index with the folder, and rests."""
    limit_s = time.monotonic() + _SETTLE_TIMEOUT_S
    before_s = -1.0
    while time.monotonic() < limit_s:
        used_s = ingest.cpu_s()
        if used_s - before_s < 0.02 * _POLL_S:
            return
        before_s = used_s
        time.sleep(_POLL_S)
    raise BenchError("the indexer does not come to rest")
