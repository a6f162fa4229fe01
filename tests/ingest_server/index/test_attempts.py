"""The note of which exchange is being read: what ended processes twice is passed over, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest_server.index.attempts import Attempts

ROOT = Path(__file__).parents[3]
DIES = """
import os, signal, sys
from ingest_server.index.attempts import Attempts
attempts = Attempts(sys.argv[1], "1")
with attempts.at(sys.argv[2]):
    print("reading", flush=True)
    {end}
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
STUCK = "import re; signal.setitimer(signal.ITIMER_REAL, 0.2); re.match('(a|a)*b', 'a' * 64)"
STEM = "2026-09-13_02-11-09.123_092d0424"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")


def die(path: Path, end: str = KILLED, stem: str = STEM) -> int:
    code = DIES.format(end=end)
    return subprocess.run([sys.executable, "-c", code, path, stem], cwd=ROOT, check=False).returncode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attempts"


def are_spent(path: Path, stem: str = STEM, decoder: str = "1") -> bool:
    attempts = Attempts(str(path), decoder)
    try:
        return attempts.are_spent(stem)
    finally:
        os.close(attempts._descriptor)


def test_an_exchange_that_ended_two_processes_in_a_row_is_passed_over(path: Path) -> None:
    assert die(path) == -signal.SIGKILL
    assert not are_spent(path)
    assert die(path) == -signal.SIGKILL
    assert are_spent(path)
    assert not are_spent(path, "2026-09-13_02-11-09.124_092d0424")
    assert not are_spent(path, decoder="2"), "another decoder may do better"


def test_two_exchanges_that_end_processes_by_turns_are_both_passed_over(path: Path) -> None:
    other = "2026-09-13_02-11-09.124_092d0424"
    for stem in (STEM, other, STEM, other):
        assert not are_spent(path, stem)
        assert die(path, stem=stem) == -signal.SIGKILL
    assert are_spent(path)
    assert are_spent(path, other)


def test_the_alarm_ends_a_process_that_is_stuck_in_a_regular_expression(path: Path) -> None:
    """Where no other thread of it gets a turn. The alarm that the note sets is of the same kind, and later."""
    assert die(path, STUCK) == -signal.SIGALRM


def test_what_takes_too_long_is_interrupted_and_ends_the_process_where_that_is_in_vain() -> None:
    code = """
import contextlib, sys, time
from ingest_server.index import attempts
attempts.EXCHANGE_S = 0.2
class Late(BaseException): ...
for _ in range(2):
    with contextlib.suppress(Late), attempts.interruption(Late):
        time.sleep(60)
print("interrupted twice", flush=True)
with attempts.interruption(Late):
    try:
        time.sleep(60)
    except Late:
        time.sleep(60)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    assert (run.stdout, run.returncode) == ("interrupted twice\n", -signal.SIGALRM)


def test_a_process_that_ends_between_exchanges_blames_none(path: Path) -> None:
    assert die(path) == -signal.SIGKILL
    attempts = Attempts(str(path), "1")
    with attempts.at(STEM):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 30
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    os.close(attempts._descriptor)
    assert not are_spent(path)
    assert die(path) == -signal.SIGKILL
    assert not are_spent(path), "the first of two that were not in a row"


def test_a_second_process_waits_for_the_first(path: Path) -> None:
    first = Attempts(str(path), "1")
    code = "import sys; from ingest_server.index.attempts import Attempts; Attempts(sys.argv[1], '1'); print('in')"
    with subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stdout=subprocess.PIPE) as second:
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(0.5)
        os.close(first._descriptor)
        assert second.wait(20) == 0
