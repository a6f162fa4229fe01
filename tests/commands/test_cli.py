"""cli.py: help, versions, exit codes and what it takes to start."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from cli import COMMANDS
from tests.commands.conftest import CLI

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_help_lists_every_command_and_examples(recorder: Run) -> None:
    found = recorder("--help")
    assert found.returncode == 0
    listed = found.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == list(COMMANDS)
    assert "Examples:\n    recorder demo  " in found.stdout


@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_command_has_help_with_an_example(recorder: Run, command: str) -> None:
    found = recorder(command, "--help")
    assert found.returncode == 0
    assert f"  Examples:\n    recorder {command}" in found.stdout
    assert "exit-with-parent" not in found.stdout


def test_version_names_the_product(recorder: Run) -> None:
    assert recorder("--version").stdout.startswith("recorder, version ")


def test_wrong_usage_exits_2(recorder: Run) -> None:
    found = recorder("nope")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.endswith("Error: No such command 'nope'.\n")
    found = recorder("check", RECORDER_LOG="loud")
    assert found.returncode == 2
    assert "'loud' is not one of 'debug', 'info', 'warning', 'error'." in found.stderr


def test_shell_completion_completes_commands(recorder: Run) -> None:
    found = recorder(_RECORDER_COMPLETE="bash_complete", COMP_WORDS="recorder re", COMP_CWORD="1")
    assert found.stdout == "plain,replay\nplain,reindex\n"


def test_the_command_line_itself_imports_nothing_heavy() -> None:
    heavy = ["aiohttp", "rich", "pydantic", "recorder", "ingest_server"]
    code = f"import sys, cli; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=CLI.parent, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_the_proxy_starts_without_aiohttp_and_rich() -> None:
    code = "import sys, commands.services, recorder.server; print([n for n in ['aiohttp', 'rich'] if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=CLI.parent, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
