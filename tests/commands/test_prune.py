"""`recorder prune` as a process: what it says, asks and deletes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_server.lock import FolderLock
from replay.verify import verify
from tests.commands.conftest import CLI, Start, environment
from tests.e2e.indexed import until_indexed
from tests.ingest_server.recorder_side import request, started
from tests.ingest_server.test_selection import CUT, exchange, record

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FIRST, LAST = "2026-09-13_02-11-10.123", "2026-09-13_02-11-12.123"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three complete exchanges, one that was cut, one that still runs."""
    frames = [*map(exchange, (1, 2, 3)), exchange(4, error=CUT), started(5) + request(5)]
    record(tmp_path / "logs", *frames, ended_s=time.time() - 60)
    return tmp_path / "logs"


def test_a_dry_run_tells_and_deletes_nothing(recorder: Run, logs: Path) -> None:
    done = recorder("prune", "--log-dir", "logs", "--max-bytes", "0", "--keep", "errors", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"3 exchanges, {_kilobytes(logs, 3)} kB, would go: {FIRST} to {LAST}",
        "1 exchange stays: still being recorded, or just ended",
        "1 exchange stays: errors are kept",
    ]
    assert verify(logs).exchanges == 5


def _kilobytes(logs: Path, count: int) -> str:
    stems = [f"_0000000{number}_" for number in range(1, count + 1)]
    total = sum(path.stat().st_size for path in logs.iterdir() if any(stem in path.name for stem in stems))
    return f"{total / 1000:.1f}"


def test_without_a_terminal_it_deletes_and_tells_what_went(recorder: Run, logs: Path) -> None:
    size = _kilobytes(logs, 4)
    done = recorder("prune", "--log-dir", "logs", "--max-age", "1s")
    assert done.stdout.splitlines() == [
        f"4 exchanges, {size} kB, deleted: {FIRST} to 2026-09-13_02-11-13.123",
        "1 exchange stays: still being recorded, or just ended",
    ]
    report = verify(logs)
    assert (report.exchanges, report.open, report.faults) == (1, 1, ())


def test_the_policy_and_the_folder_are_those_of_the_configuration(recorder: Run, logs: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("ingest: {retention: {max_bytes: 1, keep: [errors]}}\n")
    assert recorder("prune").stdout.splitlines()[-1] == "1 exchange stays: errors are kept"
    assert verify(logs).exchanges == 2
    done = recorder("prune", "--max-age", "1s")
    assert done.stdout.splitlines()[0] == "nothing deleted"


def test_beside_a_running_server_it_goes_at_the_servers_pace(recorder: Run, logs: Path) -> None:
    """And leaves alone what that one is writing."""
    lock = FolderLock(logs)
    try:
        done = recorder("prune", "--log-dir", "logs", "--max-age", "1s")
    finally:
        lock.release()
    assert done.returncode == 0
    assert done.stderr == ("the ingest server at work here goes on listing what is deleted, until its next start\n")
    assert verify(logs).exchanges == 1


@pytest.mark.usefixtures("config")
async def test_a_running_server_lists_no_more_what_is_deleted(start: Start, recorder: Run, logs: Path) -> None:
    process = start("ingest")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ingest server listens on ")
    await until_indexed(logs, 5)
    done = recorder("prune", "--max-age", "1s")
    assert (done.returncode, done.stderr) == (0, "")
    await until_indexed(logs, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--log-dir", "logs"], "nothing says what to delete: give --max-age or --max-bytes, or set ingest.retention"),
        (["--log-dir", "nowhere", "--max-age", "1d"], "nowhere: no such folder"),
        (
            ["--log-dir", "logs", "--max-age", "old"],
            "Invalid value for '--max-age': expected a duration such as 30d, 12h, 45m or 90s, got 'old'",
        ),
        (
            ["--log-dir", "logs", "--max-bytes", "much"],
            "Invalid value for '--max-bytes': expected a size such as 2GiB, 500MB or a number of bytes, got 'much'",
        ),
    ],
)
@pytest.mark.usefixtures("logs")
def test_a_wrong_use_exits_2(recorder: Run, arguments: list[str], message: str) -> None:
    done = recorder("prune", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"Error: {message}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("answer", "left"), [("n", 5), ("y", 1)])
def test_on_a_terminal_it_asks_first(logs: Path, answer: str, left: int) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, str(CLI), "prune", "--log-dir", str(logs), "--max-age", "1s"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, env=environment(), text=True) as process:
        os.write(ours, f"{answer}\n".encode())
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert "4 exchanges" in out
    assert "Delete them for good? [y/N]: " in out
    assert verify(logs).exchanges == left
