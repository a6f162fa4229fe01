"""`recorder import` as a process: what it says, and what is in the folder afterwards."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_server.imports import Imports
from replay.recordings import exchanges_in
from replay.verify import verify
from tests.commands.conftest import Start
from tests.e2e.indexed import until_indexed
from tests.ingest_server.recorder_side import recordings
from tests.traffic.export.made import chat, export
from tests.traffic.export.stored import CHUNKED, REQUEST, VARIED, stored
from tests.traffic.export.test_har_read import entry

Run = Callable[..., "subprocess.CompletedProcess[str]"]
WHOLE = VARIED[:4]
KEY = "sk-proj-0123456789"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Recordings, elsewhere."""
    into = Imports(tmp_path / "elsewhere", [], daily=False)
    for each in WHOLE:
        into.put(each)
    return tmp_path / "elsewhere"


def write(path: Path, name: str) -> None:
    path.write_bytes(export(name, *exchanges_in(path.parent / "elsewhere"))[0])


@pytest.mark.parametrize("name", ["bundle", "warc"])
def test_what_is_exported_and_imported_again_is_the_same_files(
    recorder: Run, tmp_path: Path, logs: Path, name: str
) -> None:
    write(tmp_path / "x", name)
    done = recorder("import", "x", "--log-dir", "logs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "x: 4 exchanges imported\n", "")
    assert recordings(tmp_path / "logs") == recordings(logs)
    assert verify(tmp_path / "logs").faults == ()


def test_a_folder_is_taken_in_once_in_the_configured_layout(recorder: Run, tmp_path: Path, logs: Path) -> None:
    (tmp_path / "config.yaml").write_text("ingest: {layout: daily}\nroutes: {}\n")
    assert recorder("import", "elsewhere").stdout == "elsewhere: 4 exchanges imported\n"
    assert {path.parent.name for path in (tmp_path / "logs").rglob("*.bin")} == {"2026-09-13"}
    assert list(exchanges_in(tmp_path / "logs")) == list(exchanges_in(logs))
    again = recorder("import", "elsewhere", "elsewhere")
    line = "elsewhere: 0 exchanges imported, 4 here already\n"
    assert (again.returncode, again.stdout) == (0, f"{line}{line}0 exchanges imported in all\n")


@pytest.mark.parametrize(("redact", "is_there"), [("default", False), ("[]", True)])
def test_secrets_in_a_har_file_are_replaced_as_the_configuration_says(
    recorder: Run, tmp_path: Path, redact: str, *, is_there: bool
) -> None:
    (tmp_path / "config.yaml").write_text(f"capture: {{redact: {redact}}}\nroutes: {{}}\n")
    given = entry({"headers": [{"name": "Authorization", "value": f"Bearer {KEY}"}], "url": f"https://a/?key={KEY}"})
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [given]}}))
    assert recorder("import", "x.har").stdout == "x.har: 1 exchange imported\n"
    assert any(KEY.encode() in data for data in recordings(tmp_path / "logs").values()) is is_there
    (found,) = exchanges_in(tmp_path / "logs")
    assert bool(found.metadata.redactions) is not is_there
    assert verify(tmp_path / "logs").faults == ()
    assert recorder("import", "x.har").stdout == "x.har: 0 exchanges imported, 1 here already\n"


def test_calls_in_a_har_file_are_listed_and_shown(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [entry()]}}))
    assert recorder("import", "x.har", "--log-dir", "logs").returncode == 0
    (listed,) = [json.loads(line) for line in recorder("list", "--log-dir", "logs", "--json").stdout.splitlines()]
    assert (listed["call"]["model"], listed["call"]["provider"], listed["status"]) == ("gpt-4o", "openai", 200)
    assert "  Grüezi\n" in recorder("show", "last", "--log-dir", "logs").stdout


async def test_a_running_server_shows_what_came(
    recorder: Run, start: Start, tmp_path: Path, logs: Path, config: tuple[int, int]
) -> None:
    process = start("ingest")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ingest server listens on ")
    await until_indexed(tmp_path / "logs", 0)
    done = recorder("import", "elsewhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "elsewhere: 4 exchanges imported\n", "")
    await until_indexed(tmp_path / "logs", 4)
    assert config
    assert recordings(tmp_path / "logs") == recordings(logs)


def test_what_cannot_be_stored_is_told_and_the_rest_is_stored(recorder: Run, tmp_path: Path) -> None:
    into = Imports(tmp_path / "logs", [], daily=False)
    into.put(stored(1, REQUEST, CHUNKED))
    running = chat(7, "Hi", "Ho", completed=False)
    untrue = stored(8, REQUEST, CHUNKED)._replace(response=CHUNKED[:-1])
    (tmp_path / "x").write_bytes(
        export("warc", stored(1, REQUEST, b"HTTP/1.1 200 OK\r\n\r\n"), running, untrue, WHOLE[1])[0]
    )
    done = recorder("import", "x", "nowhere", "--log-dir", "logs")
    assert done.returncode == 1
    assert done.stdout == "x: 1 exchange imported, 3 left out\n1 exchange imported in all\n"
    ids = [each.metadata.id for each in (stored(1, REQUEST, b""), running, untrue)]
    size = len(CHUNKED)
    assert done.stderr.splitlines() == [
        f"left out: x: {ids[0]}: an exchange with this id and other content is here already, and stays as it is",
        f"left out: x: {ids[1]}: had not ended when it was written there",
        f"left out: x: {ids[2]}: its response has {size - 1:,} bytes, where the metadata says {size:,}",
        "Error: nowhere is missing",
    ]
    assert (verify(tmp_path / "logs").exchanges, verify(tmp_path / "logs").faults) == (2, ())


def test_many_problems_are_counted(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [{"\x1b": 1}] * 30}}))
    done = recorder("import", "x.har", "--log-dir", "logs")
    assert (done.returncode, done.stdout) == (1, "x.har: 0 exchanges imported, 30 left out\n")
    assert len(done.stderr.splitlines()) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'FILE|DIR...'."),
        (
            ["elsewhere", "--log-dir", "elsewhere"],
            "elsewhere is the folder to import into: name another one with --log-dir",
        ),
    ],
)
@pytest.mark.usefixtures("logs")
def test_a_wrong_use_exits_2(recorder: Run, arguments: list[str], message: str) -> None:
    done = recorder("import", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"Error: {message}\n")


def test_a_folder_that_cannot_be_written_is_told(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = recorder("import", "x", "--log-dir", "file/logs")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("Not a directory\n")
