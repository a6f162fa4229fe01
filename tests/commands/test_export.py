"""`recorder export`: what is exported, where to, and what is said of the rest. Each format has tests of its own."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from cli import recorder
from tests.commands.conftest import CLI, environment
from tests.commands.recordings import Recordings, recorded
from tests.e2e.scripted import PATIENCE_S
from tests.replay.stored import store
from tests.traffic.llm.example import Example
from traffic.export.formats import FORMATS

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
ANSWERED = {"choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three calls and plain HTTP."""
    folder = tmp_path / "logs"
    for number in range(1, 4):
        store(folder, number, Example("/v1/chat/completions", ASKED, json.dumps(ANSWERED).encode()))
    store(folder, 4, Example("/health", None, b"{}"))
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    with recorded(tmp_path_factory.mktemp("recordings")) as found:
        yield found


def export(*arguments: object) -> Result:
    return CliRunner().invoke(recorder, ["export", *map(str, arguments)])


def ids(text: str) -> list[str]:
    return [json.loads(line)["id"][:8] for line in text.splitlines()]


def start(*arguments: object, **pipes: Any) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(CLI), "export", *map(str, arguments)]
    return subprocess.Popen(command, env=environment(), **{"stderr": subprocess.PIPE, **pipes})


# --- what is exported


def test_without_a_selection_all_are_exported_oldest_first_from_a_server_and_from_a_folder(
    recordings: Recordings,
) -> None:
    server = export("--format", "jsonl", "--server", recordings.url)
    folder = export("--format", "jsonl", "--log-dir", recordings.log_dir)
    assert server.exit_code == folder.exit_code == 0
    lines = server.stdout.splitlines()
    started = [json.loads(line)["started_at"] for line in lines]
    assert len(lines) == 6
    assert started == sorted(started)
    assert sorted(folder.stdout.splitlines()) == sorted(lines)
    assert export("--format", "jsonl", recordings.log_dir).stdout == folder.stdout
    milliseconds = [json.loads(line)["started_at"][:23] for line in folder.stdout.splitlines()]
    assert milliseconds == sorted(milliseconds)  # more precisely, names of files do not tell


def test_a_line_of_jsonl_says_what_the_api_says_of_that_exchange(recordings: Recordings) -> None:
    found = recordings.ask("server", "show", "last", "--json")
    told = json.loads(found.out)
    (line,) = (
        json.loads(each) for each in export("last", "--format", "jsonl", "--server", recordings.url).stdout.splitlines()
    )
    call, told_call = line.pop("call"), told.pop("call")
    assert {name: told[name] for name in line.keys() & told.keys() - {"error"}} == {
        name: line[name] for name in line.keys() & told.keys() - {"error"}
    }
    assert (line["error"] or {}).get("name") == told["error"]
    told_call["usage"].pop("source")
    assert {name: told_call[name] for name in call} == call


def test_filters_and_ids_select(recordings: Recordings) -> None:
    found = export("--query", "model=demo since=1d", "--format", "jsonl", "--server", recordings.url)
    assert {json.loads(line)["call"]["model"] for line in found.stdout.splitlines()} == {"demo"}
    assert len(export("last", "last~1", "--format", "jsonl", "--server", recordings.url).stdout.splitlines()) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_fills_a_file_and_a_pipe_with_the_same(name: str, logs: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{FORMATS[name].extension}"
    to_file, to_pipe = export(logs, "--out", out), export(logs, "--format", name)
    assert (to_file.exit_code, to_pipe.exit_code) == (0, 0), to_file.output
    assert out.read_bytes() == to_pipe.stdout_bytes
    assert len(out.read_bytes()) > 50
    assert sorted(each.name for each in tmp_path.iterdir()) == ["logs", out.name]


def test_a_dash_is_stdout(logs: Path) -> None:
    assert export(logs, "--format", "http", "--out", "-").stdout == export(logs, "--format", "http").stdout


def test_what_has_no_place_in_a_format_is_counted_on_stderr(logs: Path, tmp_path: Path) -> None:
    found = export(logs, "--format", "openai-ft", "--out", tmp_path / "train.jsonl")
    assert found.exit_code == 0
    assert found.stderr == (
        f"1 of 4 exchanges exported to {tmp_path}/train.jsonl\n"
        "left out: 2, the same as another\n"
        "left out: 1, no call to an LLM\n"
    )


def test_prompts_are_in_spans_only_with_content(logs: Path) -> None:
    assert "Hello" not in export(logs, "--format", "otlp").stdout
    assert "Hello" in export(logs, "--format", "otlp", "--content").stdout


def test_nothing_selected_is_a_file_of_nothing_and_said(recordings: Recordings, tmp_path: Path) -> None:
    found = export("--query", "model=nobody", "--out", tmp_path / "a.har", "--server", recordings.url)
    assert (found.exit_code, found.stderr) == (0, f"0 of 0 exchanges exported to {tmp_path}/a.har\n")
    assert json.loads((tmp_path / "a.har").read_bytes())["log"]["entries"] == []


# --- what cannot be read


def test_one_that_cannot_be_read_is_passed_over_and_named_and_the_exit_code_is_1(logs: Path) -> None:
    (metadata,) = logs.glob("*_00000002_metadata.json")
    metadata.write_bytes(b"{}")
    found = export(logs, "--format", "jsonl")
    assert (found.exit_code, ids(found.stdout)) == (1, ["00000001", "00000003", "00000004"])
    assert f"passed over: {metadata} is no metadata of a recording: " in found.stderr
    assert found.stderr.endswith("passed over: 1 exchange that cannot be read, named above\n")


def test_secrets_in_what_others_wrote_are_replaced_unless_the_configuration_keeps_them(tmp_path: Path) -> None:
    request = {
        "method": "GET",
        "url": "http://me:hidden@api.test/x?key=hidden",
        "headers": [{"name": "Authorization", "value": "Bearer hidden"}],
    }
    entry = {"startedDateTime": "2026-09-13T02:11:09Z", "request": request, "response": {"status": 204}}
    (tmp_path / "theirs.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    for name in ("jsonl", "warc", "har"):
        found = export("theirs.har", "--format", name)
        assert (found.exit_code, "hidden" in found.stdout) == (0, False)
    (tmp_path / "config.yaml").write_text("capture: {redact: []}\nroutes: {}\n")
    assert "Bearer hidden" in export("theirs.har", "--format", "warc").stdout


def test_what_was_redacted_is_exported_as_it_is_and_needs_no_key(logs: Path, tmp_path: Path) -> None:
    redacted = ("Authorization", "Bearer [secret:0123abcd]")
    store(logs, 5, Example("/x", None, b"{}", headers=(redacted,)))
    assert "Authorization: Bearer [secret:0123abcd]" in export(logs, "--format", "warc").stdout
    assert not (tmp_path / ".journal").exists()


def test_an_impossible_moment_is_one(logs: Path) -> None:
    (metadata,) = logs.glob("*_00000002_metadata.json")
    facts = msgspec.json.decode(metadata.read_bytes()) | {"started_at": "2026-02-31T00:00:00.000000Z"}
    metadata.write_bytes(msgspec.json.encode(facts))
    found = export(logs, "--format", "otlp")
    assert (found.exit_code, len(found.stdout.splitlines())) == (1, 2)
    problem = "'2026-02-31T00:00:00.000000Z' is no date and time - at `$.started_at`"
    assert f"passed over: {metadata} is no metadata of a recording: {problem}\n" in found.stderr


def test_one_that_is_deleted_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """The index still knows it, its files are gone."""
    folder = tmp_path / "logs"
    store(folder, 1, Example("/a", None, b"{}"))
    store(folder, 2, Example("/b", None, b"{}"))
    assert len(ids(export("--format", "jsonl", "--log-dir", folder, "--query", "status=200").stdout)) == 2
    for path in folder.glob("*_00000001_response.bin"):
        path.unlink()
    found = export("--format", "jsonl", "--log-dir", folder, "--query", "status=200")
    assert (found.exit_code, ids(found.stdout)) == (1, ["00000002"])
    assert found.stderr.startswith("passed over: 00000001-8b1c-4e5f-9a2b-3c4d5e6f7a8b: ")


# --- what is asked wrongly


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "give --format: jsonl, bundle, warc, har, curl, http, openai-ft, parquet, otlp"),
        (["--out", "a.foo"], f"what a.foo should be is not known: give --format, {', '.join(FORMATS)}"),
        (["--format", "jsonl", "--content"], "--content is for otlp"),
    ],
)
def test_a_wrong_question_says_what_to_give(arguments: list[str], problem: str, logs: Path) -> None:
    found = export(logs, *arguments)
    assert (found.exit_code, found.stderr.splitlines()[-1]) == (2, f"Error: {problem}")


def test_the_longest_extension_tells_the_format(logs: Path, tmp_path: Path) -> None:
    export(logs, "--out", tmp_path / "a.otlp.jsonl")
    assert b"resourceSpans" in (tmp_path / "a.otlp.jsonl").read_bytes()


def test_a_folder_that_is_not_there_is_named(logs: Path, tmp_path: Path) -> None:
    found = export(logs, "--out", tmp_path / "no" / "a.har")
    assert found.exit_code == 1
    assert found.stderr == f"Error: {tmp_path}/no/a.har cannot be written: there is no folder {tmp_path}/no\n"


def test_a_binary_format_is_nothing_for_a_terminal(logs: Path) -> None:
    main, terminal = pty.openpty()
    with start(logs, "--format", "parquet", stdout=terminal) as process:
        _, err = process.communicate(timeout=PATIENCE_S * 3)
    os.close(terminal)
    os.close(main)
    assert process.returncode == 2
    assert err.splitlines()[-1] == b"Error: parquet is nothing for a terminal: give --out FILE.parquet, or a pipe"


def test_without_duckdb_a_line_says_how_to_get_it(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    found = export(logs, "--out", tmp_path / "a.parquet")
    assert found.exit_code == 1
    assert found.stderr == "Error: Parquet is written by DuckDB: pip install 'llm-flight-recorder[parquet]'\n"
    assert [each.name for each in tmp_path.iterdir()] == ["logs"]


# --- pipes, terminals, Ctrl-C


def test_a_reader_that_goes_ends_it_without_a_word(logs: Path) -> None:
    process = start(logs, "--format", "har", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=PATIENCE_S * 3)
    assert (process.returncode, err) == (1, b"")


def test_progress_is_shown_on_a_terminal_and_nowhere_else(logs: Path) -> None:
    main, terminal = pty.openpty()
    with start(logs, "--format", "har", stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        while piece := _read(main):
            shown += piece
        assert process.wait(PATIENCE_S * 3) == 0
    os.close(main)
    assert b"exporting" in shown
    assert export(logs, "--format", "har").stderr == ""


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # its other side has been closed
        return b""


def test_ctrl_c_leaves_the_file_that_was_there_and_nothing_else(tmp_path: Path) -> None:
    """Of a server that takes the question, and does not answer."""
    out = tmp_path / "all.har"
    out.write_bytes(b"before")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S * 3)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = start("--out", out, "--server", url)
        connection, _ = server.accept()
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S * 3)
        connection.close()
    assert (process.returncode, err) == (130, b"")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("all.har", b"before")]
