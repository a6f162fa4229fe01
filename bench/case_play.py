"""Play back: how many recordings `recorder play` serves in a second of one core, and how well it keeps their times.
Called by the rounds.
"""

import json
import random
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec

from bench.made import Made, make
from bench.made_files import facts_of, files_of
from bench.peers import PROJECT
from bench.plan import CONNECTIONS, Figures, Plan
from bench.processes import LOAD_CORE, PEER_CORE, BenchError, Process, await_listening, free_port, started
from replay.exchange_files import write_exchange
from traffic.capture.exchange import RecordedExchange

RECORDINGS = 1_000
STREAMS = 50
EVENTS = 200
EVENT_MS = 20.0  # between two of a stream, on average
_SCRIPT = Path(__file__).with_name("play.lua")
_TURNS = 2  # make about 1 KB


def measure(_peer_name: str, plan: Plan, folder: Path) -> Figures:
    return _measure_speed(folder / "json", plan.play_s) | _measure_times(folder / "streams")


def _measure_speed(folder: Path, seconds: float) -> Figures:
    """Chats of 1 KB each way, without waiting, over connections in a closed loop."""
    log_dir = folder / "logs"
    log_dir.mkdir(parents=True)
    bodies, answers = list[bytes](), list[bytes]()
    for made in islice((made for made in make(RECORDINGS * 6) if _is_plain(made)), RECORDINGS):
        files = files_of(made)
        write_exchange(log_dir, RecordedExchange(facts_of(made, files.request, files.response), *files[1:]))
        bodies.append(files.request.partition(b"\r\n\r\n")[2])
        answers.append(files.response.partition(b"\r\n\r\n")[2])
    (folder / "bodies").write_bytes(b"\n".join(bodies) + b"\n")
    with _playing(log_dir, "instant") as (player, url):
        argv: list[str | Path] = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", _SCRIPT]
        output, before_s = folder / "wrk.out", player.cpu_s()
        with started([*argv, f"{url}/v1/chat/completions", "--", folder / "bodies"], LOAD_CORE, output) as wrk:
            wrk.wait(seconds + 30)
        load: Figures = json.loads(output.read_text().strip().rpartition("\n")[2])
        if load["errors"]:
            raise BenchError(f"{load['errors']:,.0f} of {load['answered']:,.0f} requests found no recording")
        return {
            "played_per_s": load["answered"] / load["seconds"],
            "player_cpu_us": (player.cpu_s() - before_s) / load["answered"] * 1e6,
            "sent_bytes": sum(map(len, bodies)) / len(bodies),
            "answer_bytes": sum(map(len, answers)) / len(answers),
            **{name: load[name] for name in ("p50_ms", "p99_ms", "answered")},
        }


def _measure_times(folder: Path) -> Figures:
    """Streams whose events came at random distances, at 1x, all at the same time."""
    chance = random.Random(20261121)
    log_dir = folder / "logs"
    log_dir.mkdir(parents=True)
    for made in islice((made for made in make(STREAMS * 6) if _is_plain(made)), STREAMS):
        files = files_of(made, EVENTS)
        facts = facts_of(made, files.request, files.response)
        asked = msgspec.structs.replace(facts.request, arrivals=[(0, 0.0)])
        answered = msgspec.structs.replace(facts.response, arrivals=list(arrivals(files.response, chance)))
        facts = msgspec.structs.replace(facts, request=asked, response=answered)
        write_exchange(log_dir, RecordedExchange(facts, files.request, files.response))
    with (
        _playing(log_dir, "1x") as (_, url),
        started([sys.executable, "-m", "bench.load_play", url, log_dir], LOAD_CORE) as load,
    ):
        return load.read_figures()


def _is_plain(made: Made) -> bool:
    return made.status == 200 and len(made.turns) == _TURNS


def arrivals(response: bytes, chance: random.Random) -> Iterator[tuple[int, float]]:
    """Of the head, and of each event."""
    at_ms = 50.0
    chunks = (match.start() + 2 for match in re.finditer(rb"\r\n[0-9a-f]+\r\ndata: ", response))
    for offset in (0, *chunks):
        yield offset, round(at_ms, 3)
        at_ms += chance.expovariate(1 / EVENT_MS)


@contextmanager
def _playing(log_dir: Path, speed: str) -> Iterator[tuple[Process, str]]:
    port = free_port()
    output = log_dir.with_name("play.out")
    argv: list[str | Path] = [sys.executable, PROJECT / "cli.py", "play", log_dir, "--host", "127.0.0.1"]
    with started([*argv, "--port", str(port), "--speed", speed], PEER_CORE, output) as player:
        await_listening(player, port, output)
        yield player, f"http://127.0.0.1:{port}"
