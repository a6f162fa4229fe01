"""recorder run: the command gets its variables, its signals and a clean stdout, and decides the exit code."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Start
from tests.commands.test_up import read_start

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PRINT = (
    "import os; print(os.environ['OPENAI_BASE_URL'], os.environ['ANTHROPIC_BASE_URL'], os.environ['OPENAI_API_BASE'])"
)
CALL = (
    "import os, urllib.request, urllib.error\n"
    "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))\n"
    "try: opener.open(os.environ['OPENAI_BASE_URL'] + '/models')\n"
    "except urllib.error.HTTPError as error: print(error.code)\n"
)


def test_the_command_gets_the_base_urls_and_its_exit_code_counts(recorder: Run, config: tuple[int, int]) -> None:
    found = recorder("run", "--", sys.executable, "-c", PRINT + "; raise SystemExit(7)")
    base = f"http://localhost:{config[0]}"
    assert found.stdout == f"{base}/lmstudio/v1 {base}/claude {base}/lmstudio/v1\n"
    assert found.returncode == 7


def test_a_chosen_route_sets_the_openai_variables(recorder: Run, config: tuple[int, int]) -> None:
    found = recorder("run", "--route", "quiet", "--", sys.executable, "-c", PRINT)
    base = f"http://localhost:{config[0]}"
    assert found.stdout == f"{base}/quiet {base}/claude {base}/quiet\n"


def test_traffic_is_recorded_and_console_lines_stay_out_of_stdout(
    recorder: Run, config: tuple[int, int], tmp_path: Path
) -> None:
    found = recorder("run", "--", sys.executable, "-c", CALL)
    assert found.stdout == "502\n"  # nobody listens at the destination
    assert found.stderr.startswith(
        "recorder: recordings go to logs; the recorder's own lines to .journal/run.log\n"
        f"recorder: OPENAI_BASE_URL=http://localhost:{config[0]}/lmstudio/v1\n"
    )
    lines = (tmp_path / ".journal" / "run.log").read_text()
    assert "GET /lmstudio/v1/models -> http://127.0.0.1:" in lines
    assert len(list((tmp_path / "logs").glob("*_request.bin"))) == 1


@pytest.mark.usefixtures("config")
def test_services_that_run_already_are_used_and_left_running(start: Start, recorder: Run, tmp_path: Path) -> None:
    up = start("up")
    read_start(up)
    found = recorder("run", "--", sys.executable, "-c", CALL)
    assert found.stdout == "502\n"
    assert not (tmp_path / ".journal" / "run.log").exists()
    assert up.stdout is not None
    assert "GET /lmstudio/v1/models" in up.stdout.readline()
    assert up.poll() is None


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_goes_to_the_command(start: Start, number: signal.Signals, code: int) -> None:
    sleeper = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print('ready', flush=True); signal.pause()"
    process = start("run", "--", sys.executable, "-c", sleeper)
    assert read_start(process, 1) == ["ready\n"]
    process.send_signal(number)
    assert process.wait(30) == code


@pytest.mark.usefixtures("config")
def test_a_command_that_does_not_exist_exits_127(recorder: Run) -> None:
    found = recorder("run", "--", "no-such-command")
    assert (found.returncode, found.stderr) == (127, "Error: no-such-command: no such command\n")


def test_a_service_that_cannot_start_is_one_line_and_the_command_does_not_run(
    recorder: Run, config: tuple[int, int]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", config[1]))  # a port that refuses connections and is not free
        found = recorder("run", "--", sys.executable, "-c", "print('it runs')")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"Error: ingest.port: localhost:{config[1]} is already in use; stop what uses it, or set another ingest.port\n"
    )


@pytest.mark.usefixtures("config")
def test_an_unknown_route_exits_2(recorder: Run) -> None:
    found = recorder("run", "--route", "nope", "--", "true")
    assert found.returncode == 2
    assert found.stderr.endswith("Error: --route nope: no such route; the configuration has lmstudio, quiet, claude\n")
