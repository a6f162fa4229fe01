"""JSON: 1 KB POSTs over 64 connections, driven by wrk. Called by the rounds."""

import json
import os
import time
from pathlib import Path

from bench.peers import running, warm_up
from bench.plan import CONNECTIONS, Figures, Plan
from bench.processes import LOAD_CORE, started
from bench.recordings import await_drained

PAUSE_MS = 30  # of each connection before a request, on average, where all peers shall have the same rate
_FILE_SETS = 3000
_FILE_CONTENT = bytes(1200)
_SCRIPT = Path(__file__).with_name("post.lua")


def measure(peer_name: str, plan: Plan, folder: Path) -> Figures:
    """In a closed loop: each peer at its highest rate."""
    return _measure(peer_name, plan, folder, [])


def measure_paced(peer_name: str, plan: Plan, folder: Path) -> Figures:
    """At about the same rate for each peer."""
    return _measure(peer_name, plan, folder, [str(PAUSE_MS)])


def _measure(peer_name: str, plan: Plan, folder: Path, arguments: list[str]) -> Figures:
    """Requests/s, CPU µs per exchange of each part until everything is on disk, and the count of what was recorded.

    `arguments`: the script's.
    """
    with running(peer_name, folder) as peer:
        warm_up(peer)
        before = peer.cpu_s()
        indexer_before_s = peer.ingest.children_cpu_s() if peer.ingest else 0.0
        load = _run_wrk(f"{peer.base_url}/v1/chat/completions", arguments, plan.json_s, folder / "wrk.out")
        answered = load["answered"]
        figures = {
            "requests_per_s": answered / load["seconds"],
            "p50_ms": load["p50_ms"],
            "p99_ms": load["p99_ms"],
            "errors": load["errors"],
            "answered": answered,
        }
        if peer.log_dir:
            served = peer.served() - 1  # the warm-up is no part of the load
            recordings = await_drained(peer.log_dir, served + 1)
            figures |= recordings.figures(warm_ups=1)
            figures["served"] = served
            figures["lost"] = max(served - (recordings.total - 1), answered - figures["complete"], 0)
        for part, used_s in peer.cpu_s().items():
            figures[f"{part}_cpu_us"] = (used_s - before[part]) / answered * 1e6
        if peer.ingest:
            figures["indexer_cpu_us"] = (peer.ingest.children_cpu_s() - indexer_before_s) / answered * 1e6
    if peer.log_dir:
        figures["files_cpu_us"] = _measure_files(folder / "files")
    return figures


def _measure_files(folder: Path) -> float:
    """CPU µs for making three files of an exchange's size in a bare loop: what the file system alone costs now."""
    folder.mkdir()
    before_s = time.process_time()
    for number in range(_FILE_SETS):
        for name in ("request.bin", "response.bin", "metadata.json"):
            descriptor = os.open(f"{folder}/{number:08d}_{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, _FILE_CONTENT)
            os.close(descriptor)
    return (time.process_time() - before_s) / _FILE_SETS * 1e6


def _run_wrk(url: str, arguments: list[str], seconds: float, output: Path) -> Figures:
    argv: list[str | Path] = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", _SCRIPT, url, "--"]
    argv += arguments
    with started(argv, LOAD_CORE, output) as wrk:
        wrk.wait(seconds + 30)
    figures: Figures = json.loads(output.read_text().strip().rpartition("\n")[2])
    return figures
