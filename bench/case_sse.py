"""SSE: many open streams with an event each 50 ms. Called by the rounds."""

import sys
import time
from pathlib import Path

from bench.peers import running, warm_up
from bench.plan import KIB, Figures, Plan
from bench.processes import LOAD_CORE, started
from bench.recordings import await_drained


def measure_200(peer_name: str, plan: Plan, folder: Path) -> Figures:
    return _measure(peer_name, plan.sse_s, folder, 200)


def measure_1000(peer_name: str, plan: Plan, folder: Path) -> Figures:
    return _measure(peer_name, plan.sse_s, folder, 1000)


def _measure(peer_name: str, seconds: float, folder: Path, streams: int) -> Figures:
    """Latency of the events, CPU % of a core, and memory per stream against the idle peer after one exchange."""
    with running(peer_name, folder) as peer:
        warm_up(peer)
        idle = {name: part.rss_bytes() for name, part in peer.parts.items()}
        argv = [sys.executable, "-m", "bench.load_sse", peer.base_url, str(streams), str(seconds)]
        with started(argv, LOAD_CORE) as load:
            load.read_line()  # all streams are open
            begin_s, before = time.monotonic(), peer.cpu_s()
            figures = load.read_figures()
            elapsed_s = time.monotonic() - begin_s
            for name, used_s in peer.cpu_s().items():
                figures[f"{name}_cpu_percent"] = (used_s - before[name]) / elapsed_s * 100
            for name, part in peer.parts.items():
                figures[f"{name}_kib_per_stream"] = (part.rss_bytes() - idle[name]) / streams / KIB
            figures["answered"] = load.read_figures()["ended"]
        if peer.log_dir:
            figures |= await_drained(peer.log_dir, streams + 1).figures(warm_ups=1)
            figures["lost"] = max(streams - figures["complete"], 0)
        return figures
