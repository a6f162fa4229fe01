"""Linear time: what tiny chunks, long heads and many header lines cost beside plain ones. Called by the rounds.

A kind is a shape of message of which many are sent: chunked bodies of one-byte and of 4 KiB chunks in both directions,
and heads of 64 KiB beside small ones. Its figure is CPU per byte on the wire, recorder and ingest server together,
until all is stored; for heads, per request too, because a request costs something however small it is.
"""

import json
import sys
from pathlib import Path

from bench.peers import Peer, running, warm_up
from bench.plan import Figures, Plan
from bench.processes import LOAD_CORE, started
from bench.recordings import await_drained

KINDS = ("down_1", "down_4096", "up_1", "up_4096", "head_small", "head_64k", "head_1000_lines", "head_10000_lines")


def measure(peer_name: str, plan: Plan, folder: Path) -> Figures:
    figures: Figures = {"answered": 0, "complete": 0, "incomplete": 0, "lost": 0, "damaged": 0}
    for kind in KINDS:
        place = folder / kind
        place.mkdir()
        with running(peer_name, place) as peer:
            warm_up(peer)
            for name, value in _measure_kind(peer, kind, plan).items():
                figures[name] = figures.get(name, 0) + value
    return figures


def _measure_kind(peer: Peer, kind: str, plan: Plan) -> Figures:
    before_s = sum(peer.cpu_s().values())
    argv = [sys.executable, "-m", "bench.load_linear", peer.base_url, kind, str(plan.linear_bytes)]
    with started(argv, LOAD_CORE) as load:
        sent = json.loads(load.read_line())
    assert peer.log_dir is not None
    recordings = await_drained(peer.log_dir, int(sent["exchanges"]) + 1)
    used_ns = (sum(peer.cpu_s().values()) - before_s) * 1e9
    return {
        **recordings.figures(warm_ups=1),
        "answered": sent["exchanges"],
        "lost": max(sent["exchanges"] + 1 - recordings.total, 0),
        f"{kind}_ns_per_byte": used_ns / sent["bytes"],
        f"{kind}_us_per_exchange": used_ns / 1e3 / sent["exchanges"],
    }
