"""Replay: whether `recorder replay --schedule recorded` holds its schedule. Called by the rounds.

The recordings began at random distances (a Poisson process), as independent clients call: some are due at nearly the
same time. The upstream tells when each request arrived, by the clock that all processes of a machine share.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from bench.made import START_US, make
from bench.made_files import facts_of, files_of
from bench.peers import PROJECT
from bench.plan import Figures, Plan
from bench.processes import LOAD_CORE, PEER_CORE, BenchError, started
from replay.exchange_files import write_exchange
from traffic.capture.exchange import RecordedExchange

RATE_PER_S = 500
_TIMEOUT_S = 600.0


def measure(_peer_name: str, plan: Plan, folder: Path) -> Figures:
    """How late requests arrive: each against the one that was the most punctual."""
    log_dir = folder / "logs"
    log_dir.mkdir()
    due_us = list(_due_us(round(plan.replay_s * RATE_PER_S)))
    _record(log_dir, due_us)
    with started([sys.executable, "-m", "bench.upstream"], LOAD_CORE) as upstream:
        url = f"http://127.0.0.1:{int(upstream.read_line())}"
        argv: list[str | Path] = [
            sys.executable,
            PROJECT / "cli.py",
            "replay",
            log_dir,
            "--schedule",
            "recorded",
            "--to",
            url,
        ]
        with started(argv, PEER_CORE, folder / "replay.out") as replay:
            replay.wait(_TIMEOUT_S)
        with urlopen(f"{url}/arrivals", timeout=60) as response:
            arrived_ns = {int(number): at_ns for number, at_ns in json.load(response).items()}
    if len(arrived_ns) != len(due_us):
        raise BenchError(f"{len(arrived_ns):,} of {len(due_us):,} requests arrived")
    offsets_ms = [arrived_ns[number] / 1e6 - at_us / 1e3 for number, at_us in enumerate(due_us)]
    late_ms = sorted(each - min(offsets_ms) for each in offsets_ms)
    took_s = (max(arrived_ns.values()) - min(arrived_ns.values())) / 1e9
    return {
        "sent": len(due_us),
        "per_s": (len(due_us) - 1) / took_s,
        **{f"late_p{percent}_ms": late_ms[len(late_ms) * percent // 100] for percent in (50, 95, 99)},
        "late_max_ms": late_ms[-1],
    }


def _due_us(count: int) -> Iterator[int]:
    chance = random.Random(20261121)
    at_us = 0.0
    for _ in range(count):
        yield round(at_us)
        at_us += chance.expovariate(RATE_PER_S / 1e6)


def _record(log_dir: Path, due_us: list[int]) -> None:
    for number, (made, at_us) in enumerate(zip(make(len(due_us)), due_us, strict=True)):
        files = files_of(made)
        request = files.request.replace(b" /v1/chat/completions ", b" /arrivals/%d " % number, 1)
        facts = facts_of(made._replace(started_us=START_US + at_us), request, files.response)
        write_exchange(log_dir, RecordedExchange(facts, request, files.response))
