"""`python -m bench` (`make bench`): measures everything in one run and writes bench/RESULTS.md.

A run that leaves something out by its options prints the report instead and leaves the file alone.
"""

import argparse
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.machine import describe_machine, describe_versions
from bench.peers import PEER_NAMES, nginx_path
from bench.plan import QUICK, Plan
from bench.processes import LOAD_CORE, PEER_CORE
from bench.report import render
from bench.rounds import CASES, Case, run

_RESULTS = Path(__file__).with_name("RESULTS.md")
_GROUPS = ("json", "sse", "body", "linear", "indexing", "queries", "replay", "play", "start")


def main() -> int:
    options = _parse_options()
    if problem := _find_problem():
        print(problem, file=sys.stderr)
        return 1
    plan = QUICK if options.quick else Plan()
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    cases, peers, left_out = _choose(options.only, options.only_peer)
    _prepare_process()
    with tempfile.TemporaryDirectory(prefix="recorder-bench-") as temporary:
        folder = Path(temporary)
        results = run(cases, peers, plan, folder)
        about = {"Machine": describe_machine(folder), "Versions": describe_versions(), "Command": [_command()]}
    report = render(results, plan, left_out, about)
    if options.quick or options.only != _GROUPS or options.only_peer != PEER_NAMES:
        print(report)
    else:
        _RESULTS.write_text(report)
        print(f"written: {_RESULTS.parent.name}/{_RESULTS.name}", file=sys.stderr)
    return 1 if results.failures or results.anything_lost() else 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, one round: a check of the harness")
    parser.add_argument("--rounds", type=int, help=f"rounds per case (default {Plan().rounds})")
    parser.add_argument("--only", type=_names_of(_GROUPS), default=_GROUPS, help=f"of {','.join(_GROUPS)}")
    parser.add_argument(
        "--only-peer", type=_names_of(PEER_NAMES), default=PEER_NAMES, help=f"of {','.join(PEER_NAMES)}"
    )
    return parser.parse_args()


def _names_of(allowed: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        chosen = set(text.split(","))
        if unknown := chosen.difference(allowed):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(allowed)}")
        return tuple(name for name in allowed if name in chosen)

    return names


def _find_problem() -> str | None:
    if platform.system() != "Linux":
        return "The benchmark reads /proc: it runs on Linux only."
    if not {PEER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        return f"The benchmark needs the cores {PEER_CORE} and {LOAD_CORE}; it may use {os.sched_getaffinity(0)}."
    return None


def _choose(groups: Sequence[str], peers: Sequence[str]) -> tuple[list[Case], list[str], list[str]]:
    """The cases and peers that this machine can run, and what it can't."""
    cases = [case for case in CASES if case.name.startswith(tuple(groups))]
    peers, left_out = list(peers), []
    if not shutil.which("wrk") and any(case.needs_wrk for case in cases):
        left_out.append(f"{', '.join(case.name for case in cases if case.needs_wrk)}: wrk is not installed")
        cases = [case for case in cases if not case.needs_wrk]
    if "nginx" in peers and not nginx_path():
        peers.remove("nginx")
        left_out.append("nginx and every ratio to it: nginx is not installed")
    for text in left_out:
        print(f"left out: {text}", file=sys.stderr)
    return cases, peers, left_out


def _prepare_process() -> None:
    """Room for many connections, which children inherit; off the peers' core; SIGTERM cleans up like Ctrl-C."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {LOAD_CORE})
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _command() -> str:
    return " ".join(["`python -m bench", *sys.argv[1:]]) + "`"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
