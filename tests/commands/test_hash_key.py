"""recorder hash-key: the hash on stdout, and a key on nothing that is kept."""

import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from commands.hash_key import hash_key_command
from tests.commands.conftest import CLI
from traffic.keys import Key, KeyRing, hash_key

KEY = "a-key-of-24-characters-x"


def run(*arguments: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(hash_key_command, arguments, input=given)


@pytest.mark.parametrize("given", [KEY.encode(), f"{KEY}\n".encode(), f"{KEY}\r\nmore\n".encode()])
def test_a_key_from_stdin_becomes_its_hash(given: bytes) -> None:
    found = run(given=given)
    assert (found.exit_code, found.stdout, found.stderr) == (0, f"{hash_key(KEY)}\n", "")


def test_a_generated_key_is_shown_once_beside_its_hash() -> None:
    found, other = run("--generate"), run("--generate")
    told, _, key = found.stderr.rstrip("\n").rpartition(": ")
    assert told == "the key, which is shown this once"
    assert len(key) == 46
    assert key.startswith("rk-")
    assert KeyRing((Key.parse("a", found.stdout.strip()),)).match(key.encode()) == "a"
    assert other.stdout != found.stdout


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (b"", "a key has at least 16 characters; `recorder hash-key --generate` makes a good one"),
        (b"fifteen-letters\n", "a key has at least 16 characters; `recorder hash-key --generate` makes a good one"),
        (b"sixteen letters\xff\n", "a key holds visible ASCII characters only: it travels in a header"),
        (hash_key(KEY).encode(), "a key does not begin with sha256:, which marks the hash of one"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(given: bytes, problem: str) -> None:
    found = run(given=given)
    assert (found.exit_code, found.stdout, found.stderr) == (1, "", f"Error: {problem}\n")


def test_a_terminal_does_not_show_what_is_typed() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(CLI), "hash-key"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(theirs)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = b""
        for prompt in (b"Key: ", b"Repeat for confirmation: "):
            while not told.endswith(prompt):
                told += process.stderr.read(1)
            os.write(ours, KEY.encode() + b"\n")
        assert process.stdout.read() == f"{hash_key(KEY)}\n".encode()
        told += process.stderr.read()
    assert process.returncode == 0
    try:
        echoed = os.read(ours, 4096)
    except OSError:  # the other side is closed, and nothing is left
        echoed = b""
    os.close(ours)
    assert KEY.encode() not in told + echoed
