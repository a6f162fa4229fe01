"""Large bodies: one of 1 GiB down, one up. Called by the rounds."""

import sys
from pathlib import Path

from bench.peers import Peer, running, warm_up
from bench.plan import GIB, MIB, Figures, Plan
from bench.processes import LOAD_CORE, started
from bench.recordings import await_drained, body_is_whole, metadata_files
from bench.upstream import body_sha256


def measure_down(peer_name: str, plan: Plan, folder: Path) -> Figures:
    return _measure(peer_name, plan.body_bytes, folder, "down")


def measure_up(peer_name: str, plan: Plan, folder: Path) -> Figures:
    return _measure(peer_name, plan.body_bytes, folder, "up")


def _measure(peer_name: str, size: int, folder: Path, direction: str) -> Figures:
    """MB/s as the client sees it, peak growth of each part's memory, CPU seconds per GiB until all is stored."""
    with running(peer_name, folder) as peer:
        warm_up(peer)
        before = peer.cpu_s()
        idle = {}
        for name, part in peer.parts.items():
            part.reset_peak()
            idle[name] = part.rss_bytes()
        argv = [sys.executable, "-m", "bench.load_body", peer.base_url, direction, str(size)]
        with started(argv, LOAD_CORE) as load:
            figures = {"mb_per_s": size / 1e6 / load.read_figures()["seconds"]}
        if peer.log_dir:
            figures |= _check(peer, peer.log_dir, "response" if direction == "down" else "request", size)
        for name, part in peer.parts.items():
            figures[f"{name}_growth_mib"] = (part.peak_rss_bytes() - idle[name]) / MIB
            figures[f"{name}_cpu_s_per_gib"] = (part.cpu_s() - before[name]) / (size / GIB)
        if peer.ingest:
            figures["indexer_peak_mib"] = peer.ingest.children_peak_rss_bytes() / MIB
        return figures


def _check(peer: Peer, log_dir: Path, side: str, size: int) -> Figures:
    figures = await_drained(log_dir, peer.served()).figures(warm_ups=1)
    sha256 = body_sha256(size)
    whole = any(body_is_whole(metadata, side, size, sha256) for metadata in metadata_files(log_dir))
    return {**figures, "answered": 1, "lost": 1 - figures["complete"], "damaged": int(not whole)}
