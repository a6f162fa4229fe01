"""What tests of crowds, clients and upstreams look at from outside: a process's memory, its metrics, its recordings."""

import asyncio
import json
import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replay.verify import verify
from tests.e2e.scripted import Peer, connect
from tests.faults.stage import Stage

PATIENCE_S = 60.0
OTHER_FILES = 500  # that a process has open beside the connections of a test


@dataclass(frozen=True, slots=True)
class Recorded:
    request: bytes
    response: bytes
    facts: dict[str, Any]

    @property
    def error(self) -> tuple[str, str, str] | None:
        """Name, phase, by."""
        error = self.facts["error"]
        return None if error is None else (error["name"], error["phase"], error["by"])


async def recordings(stage: Stage) -> list[Recorded]:
    """Stop both services; all that was recorded, in which `verify` finds no fault, nothing open and no gap."""
    await stage.drain()
    report = verify(stage.log_dir, stage.journal_dir)
    assert (report.faults, report.open, report.gaps, report.waiting_bytes) == ((), 0, 0, 0)
    return [_read(path) for path in sorted(stage.log_dir.rglob("*_metadata.json"))]


def _read(path: Path) -> Recorded:
    stem = path.name.removesuffix("_metadata.json")
    request, response = (path.with_name(f"{stem}_{side}.bin").read_bytes() for side in ("request", "response"))
    return Recorded(request, response, json.loads(path.read_bytes()))


def memory_bytes(pid: int, kind: str = "VmRSS") -> int:
    """`VmRSS` now, or `VmHWM`, its largest value so far."""
    found = re.search(rf"{kind}:\s+([0-9]+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def crowd_of(wanted: int) -> int:
    """As many connections as this system lets a process have, up to `wanted`."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(wanted, hard - OTHER_FILES)
    if count < wanted:
        print(f"{count} connections instead of {wanted}: the system allows {hard} open files")
    return count


async def metric(stage: Stage, name: str) -> float:
    peer = await connect(stage.recorder_port)
    await peer.send(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    text = (await peer.read_to_end()).decode()
    await peer.leave()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


async def until_metric(stage: Stage, name: str, is_right: Callable[[float], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_right(value := await metric(stage, name)):
        assert time.monotonic() < deadline, f"in vain: {name} is {value}"
        await asyncio.sleep(0.1)


async def read_all(peer: Peer) -> bytes:
    """What comes up to the end of the connection, or to its reset."""
    data = bytearray()
    async with asyncio.timeout(PATIENCE_S):
        try:
            while block := await peer.reader.read(256 * 1024):
                data += block
        except ConnectionError:
            pass
    return bytes(data)
