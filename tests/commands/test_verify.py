"""`recorder verify` as a process: what it prints, and its exit codes."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from commands.verify import _moment
from tests.ingest_server.recorder_side import RESPONSE, STARTED_NS, closed, gap, started, whole
from tests.replay.test_verify import STEM, record

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.usefixtures("config")
def test_sound_recordings_of_the_configured_folders(recorder: Run, tmp_path: Path) -> None:
    record(tmp_path / "logs", whole(1), whole(2), gap(3, 5), closed())
    done = recorder("verify")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.splitlines()[:-1] == [
        "logs: 2 exchanges, 202 B",
        "2 complete, 0 incomplete, 0 open",
        "1 gap record: 3 exchanges not recorded",
    ]
    assert done.stdout.splitlines()[-1].startswith("no faults, in ")


def test_faults_are_listed_and_the_exit_code_is_1(recorder: Run, tmp_path: Path) -> None:
    record(tmp_path / "elsewhere", whole(1), whole(2))
    (tmp_path / "elsewhere" / f"{STEM}_request.bin").unlink()
    (tmp_path / "elsewhere" / "\x1b[2J.bin").touch()
    done = recorder("verify", "--log-dir", "elsewhere")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:-1] == [
        "1 complete, 0 incomplete, 0 open, 1 damaged",
        r"\x1b[2J.bin: no recording has such a name",
        f"{STEM}_request.bin: is missing",
    ]
    assert done.stdout.splitlines()[-1].startswith("2 faults, in ")


def test_json_is_one_object(recorder: Run, tmp_path: Path) -> None:
    record(tmp_path / "logs", whole(1))
    (tmp_path / "logs" / f"{STEM}_response.bin").write_bytes(RESPONSE[1:])
    done = recorder("verify", "--log-dir", "logs", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "exchanges": 1,
        "complete": 0,
        "incomplete": 0,
        "open": 0,
        "gaps": 0,
        "lost_exchanges": 0,
        "bytes": 100,
        "faults": [{"file": f"{STEM}_response.bin", "problem": "has 42 bytes, where the metadata says 43"}],
        "waiting_bytes": 0,
    }


def test_since_takes_a_time_ago_or_a_moment(recorder: Run, tmp_path: Path) -> None:
    record(tmp_path / "logs", whole(1), started(2, at_ns=time.time_ns()), closed())
    for since, exchanges in (("1h", 1), ("90000d", 2), ("2026-09-13T02:11:09.124Z", 1), ("2026-09-13", 2)):
        done = recorder("verify", "--log-dir", "logs", "--json", "--since", since)
        assert json.loads(done.stdout)["exchanges"] == exchanges, since


@pytest.mark.parametrize(
    ("text", "moment_ns"),
    [
        ("90s", STARTED_NS - 90 * 10**9),
        ("2026-09-13T02:11:09Z", 1_789_265_469 * 10**9),
        ("2026-09-13T04:11:09+02:00", 1_789_265_469 * 10**9),
        ("2026-09-13 02:11:09", 1_789_265_469 * 10**9),
    ],
)
def test_moments(text: str, moment_ns: int) -> None:
    assert _moment(text, STARTED_NS) == moment_ns


SINCE = "expected a time ago such as 45m, 2h or 7d, or a moment such as 2026-09-13T02:11:09Z, got 'yesterday'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--log-dir", ".", "--since", "yesterday"], f"Error: Invalid value for --since: {SINCE}\n"),
        (["--log-dir", "nowhere"], "Error: nowhere: No such file or directory\n"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such file; `recorder init nowhere.yaml` writes one\n"),
    ],
)
def test_a_wrong_use_exits_2(recorder: Run, arguments: list[str], message: str) -> None:
    done = recorder("verify", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(message)
