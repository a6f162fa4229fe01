"""Runs the cases: round after round, the order of the peers rotated each time, each in a fresh folder.

Called by `__main__`; the report reads the results.
"""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import (
    case_body,
    case_indexing,
    case_json,
    case_linear,
    case_play,
    case_queries,
    case_replay,
    case_sse,
    case_start,
)
from bench.plan import Figures, Plan
from bench.processes import BenchError
from bench.results import Results


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    measure: Callable[[str, Plan, Path], Figures]
    peers: tuple[str, ...] = ("direct", "nginx", "recorder")
    needs_wrk: bool = False
    many_files: bool = False  # they stay until the end: where many were just deleted, ext4 makes new ones slowly


_PEERS_OF_JSON = ("direct", "nginx", "relay", "recorder", "unindexed")
CASES = (
    Case("json", case_json.measure, _PEERS_OF_JSON, needs_wrk=True, many_files=True),
    Case("json_paced", case_json.measure_paced, ("nginx", "relay", "recorder"), needs_wrk=True, many_files=True),
    Case("sse200", case_sse.measure_200, many_files=True),
    Case("sse1000", case_sse.measure_1000, ("direct", "nginx", "relay", "recorder"), many_files=True),
    Case("body_down", case_body.measure_down),
    Case("body_up", case_body.measure_up),
    Case("linear", case_linear.measure, peers=("recorder",), many_files=True),
    Case("indexing", case_indexing.measure, peers=("recorder",), many_files=True),
    Case("queries", case_queries.measure, peers=("recorder",)),
    Case("replay", case_replay.measure, peers=("recorder",), many_files=True),
    Case("play", case_play.measure, peers=("recorder",), needs_wrk=True, many_files=True),
    Case("start", case_start.measure, peers=("recorder",)),
)


def run(cases: Sequence[Case], peers: Sequence[str], plan: Plan, folder: Path) -> Results:
    results = Results()
    for case in cases:
        order = [peer for peer in case.peers if peer in peers]
        for number in range(plan.starts if case.name == "start" else plan.rounds):
            shift = number % max(len(order), 1)
            for peer in order[shift:] + order[:shift]:
                _measure(case, peer, plan, folder / f"{case.name}-{number}-{peer}", results)
    return results


def _measure(case: Case, peer: str, plan: Plan, folder: Path, results: Results) -> None:
    folder.mkdir()
    os.sync()  # what earlier measurements left to write shall not slow this one
    try:
        figures = case.measure(peer, plan, folder)
    except BenchError as error:
        first_line = str(error).partition("\n")[0]  # what a program printed may hold paths: it goes to stderr alone
        results.failures.append(f"{case.name}, {peer}: {first_line}")
        print(f"{case.name:8} {peer:9} failed: {error}", file=sys.stderr, flush=True)
    else:
        results.samples[case.name, peer].append(figures)
        shown = "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
        print(f"{case.name:8} {peer:9} {shown}", file=sys.stderr, flush=True)
    if not case.many_files:
        shutil.rmtree(folder)
