"""`make soak`: a long run of mixed load with random kills of both services; at its end the ledger must add up.

python -m tests.faults.soak --minutes 30 --seed 1

In the first and the last third of the run each service is killed -9 at random moments, on average every KILL_MEAN_S
seconds; the third between is calm, so that both processes live long enough to show whether their memory is flat. The
load is a fixed number of workers that pause between exchanges. Figures go to bench/soak.json, from which a section of
bench/RESULTS.md is made. Recordings stay below the folder that --folder names, or are removed at the end.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from bench.soak_report import SOAK_FILE, write_section
from tests.e2e.service import Service
from tests.faults.client import Outcome
from tests.faults.ledger import Sums
from tests.faults.orders import KINDS, Order
from tests.faults.stage import Stage

WORKERS = 24
PAUSE_S = 0.5  # of a worker between two exchanges, on average
KILL_MEAN_S = 30.0
AWAY_S_MAX = 3.0  # of a killed ingest server
SAMPLE_S = 5.0
WARM_UP_S = 60.0  # of a process, before its memory counts
GROWTH_MIB_MAX = 8.0  # from the first to the last fifth of a process's samples behind its warm-up
KIND_WEIGHTS = (6, 6, 1, 2)


@dataclass(slots=True)
class Memory:
    """Resident sets of one service: the samples of each of its processes in turn, in MiB, behind the warm-up."""

    lives: list[list[float]] = field(default_factory=list)
    _pid: int = 0
    _since_s: float = 0.0

    def sample(self, service: Service | None) -> None:
        if service is None:
            return
        if service.pid != self._pid:
            self._pid, self._since_s = service.pid, time.monotonic()
            self.lives.append([])
        if time.monotonic() - self._since_s >= WARM_UP_S:
            self.lives[-1].append(_rss_mib(self._pid))

    def longest(self) -> list[float]:
        return max(self.lives, key=len)

    def growth_mib(self) -> float:
        """Of the process that lived longest: the median of its last fifth less that of its first."""
        samples = self.longest()
        fifth = max(1, len(samples) // 5)
        return median(samples[-fifth:]) - median(samples[:fifth]) if samples else 0.0


class Soak:
    def __init__(self, stage: Stage, length_s: float) -> None:
        self._stage = stage
        self._length_s = length_s
        self._began_s = time.monotonic()
        self._random = random.Random(stage.seed)
        self.ingest_kills = 0
        self.recorder_memory = Memory()
        self.ingest_memory = Memory()

    @property
    def _age(self) -> float:
        """0 to 1"""
        return (time.monotonic() - self._began_s) / self._length_s

    async def run(self) -> Sums:
        stage = self._stage
        await stage.start()
        self._began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            killing = group.create_task(self._kill_now_and_then())
            working = [group.create_task(self._work()) for _ in range(WORKERS)]
            for worker in working:
                await worker
            await killing
            watching.cancel()
        return await stage.add_up()

    async def _work(self) -> None:
        while self._age < 1:
            await self._stage.send_all(*self._some_orders())
            await asyncio.sleep(self._random.expovariate(1 / PAUSE_S))

    def _some_orders(self) -> Iterator[Order]:
        for _ in range(self._random.randint(1, 3)):
            (kind,) = self._random.choices(KINDS, KIND_WEIGHTS)
            yield self._stage.order(kind, self._random.randint(1, 60), self._random.randint(1, 40))

    async def _kill_now_and_then(self) -> None:
        while self._age < 1:
            await asyncio.sleep(min(self._random.expovariate(2 / KILL_MEAN_S), self._length_s / 4))
            if 1 / 3 < self._age < 2 / 3 or self._age >= 1:
                continue
            if self._random.random() < 0.5:
                await self._stage.kill_recorder()
                await self._stage.start_recorder()
            else:
                await self._stage.kill_ingest()
                self.ingest_kills += 1
                await asyncio.sleep(self._random.uniform(0, AWAY_S_MAX))
                await self._stage.start_ingest()

    async def _watch(self) -> None:
        told_at = 0.1
        while True:
            self.recorder_memory.sample(self._stage.recorder)
            self.ingest_memory.sample(self._stage.ingest)
            if self._age >= told_at:
                told_at += 0.1
                print(f"{self._age:4.0%}  {len(self._stage.client.entries)} exchanges", file=sys.stderr, flush=True)
            await asyncio.sleep(SAMPLE_S)

    def figures(self, sums: Sums, seconds: float) -> dict[str, object]:
        client = self._stage.client
        return {
            "seconds": round(seconds),
            "seed": self._stage.seed,
            "durability": self._stage.durability,
            "exchanges": sums.sent,
            "finished": client.count(Outcome.FINISHED),
            "broken": client.count(Outcome.BROKEN),
            "refused": client.count(Outcome.REFUSED),
            "complete": sums.complete,
            "incomplete": dict(sums.incomplete),
            "lost_with_kill": sums.lost_with_kill,
            "never_arrived": sums.never_arrived,
            "lost": 0,  # or add_up had failed
            "bytes": sums.bytes,
            "recorder_kills": len(self._stage.kills),
            "ingest_kills": self.ingest_kills,
            "growth_mib_max": GROWTH_MIB_MAX,
            "warm_up_s": WARM_UP_S,
            "recorder": _memory_figures(self.recorder_memory),
            "ingest": _memory_figures(self.ingest_memory),
        }


def _memory_figures(memory: Memory) -> dict[str, float]:
    samples = memory.longest()
    return {
        "minutes": round((len(samples) * SAMPLE_S + WARM_UP_S) / 60, 1),
        "growth_mib": round(memory.growth_mib(), 2),
        "median_mib": round(median(samples), 1) if samples else 0.0,
        "peak_mib": round(max((max(life) for life in memory.lives if life), default=0.0), 1),
    }


def _rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def _run(stage: Stage, length_s: float) -> int:
    began_s = time.monotonic()
    async with stage:
        soak = Soak(stage, length_s)
        sums = await soak.run()
    figures = soak.figures(sums, time.monotonic() - began_s)
    SOAK_FILE.write_text(json.dumps(figures, indent=2) + "\n")
    write_section()
    print(json.dumps(figures, indent=2))
    grown = max(soak.recorder_memory.growth_mib(), soak.ingest_memory.growth_mib())
    if grown > GROWTH_MIB_MAX:
        print(f"memory grew by {grown:.1f} MiB, which is more than {GROWTH_MIB_MAX:g} MiB", file=sys.stderr)
    return 1 if grown > GROWTH_MIB_MAX else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--durability", choices=("batched", "write_ahead"), default="batched")
    parser.add_argument("--folder", type=Path, help="keep journal and recordings here")
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="recorder-soak-") as temporary:
        stage = Stage(options.folder or Path(temporary), options.seed)
        stage.set(capture={"durability": options.durability})
        return uvloop.run(_run(stage, options.minutes * 60))


if __name__ == "__main__":
    sys.exit(main())
