"""Which source a command asks, and what it says where that one has no answer."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.commands.conftest import CLI, Start, free_ports
from tests.commands.recordings import DEMO_EXCHANGES, Recordings, recorded, run

Run = Callable[..., "subprocess.CompletedProcess[str]"]
KEY = "a-key-of-a-reader-0123456789"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    with recorded(tmp_path_factory.mktemp("recordings")) as found:
        yield found


@contextmanager
def answering(status: int, body: str, health: str = "{}", index: str = "") -> Iterator[str]:
    """A server that is none of this version's, unless it has an index."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, text = (200, health) if self.path == "/health" else (status, body)
            text = index if index and self.path == "/v1/index" else text
            self.send_response(code)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_configured_server_is_asked_where_it_answers(recordings: Recordings) -> None:
    found = run(recordings.folder, "list")
    assert (found.code, found.err, len(found.lines)) == (0, "", 1 + DEMO_EXCHANGES)


def test_where_it_does_not_answer_the_configured_folder_is_read(recordings: Recordings) -> None:
    (port,) = free_ports(1)
    text = f'logging: {{server_url: "http://localhost:{port}"}}\nroutes: {{}}\n'
    (recordings.folder / "elsewhere.yaml").write_text(text)
    found = run(recordings.folder, "list", "--config", "elsewhere.yaml")
    assert (found.code, len(found.lines)) == (0, 1 + DEMO_EXCHANGES)
    assert found.err == f"no ingest server answers at http://localhost:{port}; reading logs\n"


def test_where_there_is_no_folder_either_it_says_what_can_be_done(recorder: Run, config: tuple[int, int]) -> None:
    found = recorder("list")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"Error: no ingest server answers at http://localhost:{config[1]}, and there is no folder logs: "
        "`recorder up` starts one, --server asks another, --log-dir reads another folder\n"
    )


def test_a_folder_that_is_not_there_is_an_error(recorder: Run) -> None:
    found = recorder("list", "--log-dir", "none")
    assert (found.returncode, found.stderr) == (1, "Error: none: no such folder\n")


def test_a_folder_that_nobody_can_look_into_is_an_error(recorder: Run) -> None:
    name = "x" * 300
    found = recorder("list", "--log-dir", name)
    expected = f"Error: {name}: File name too long; --server asks an ingest server instead\n"
    assert (found.returncode, found.stderr) == (1, expected)


def test_an_empty_folder_has_nothing_recorded(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = recorder("list", "--log-dir", "empty")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "no exchange is recorded in empty\n")
    shown = recorder("show", "last", "--log-dir", "empty")
    assert (shown.returncode, shown.stderr) == (1, "Error: last: nothing is recorded yet\n")


def test_a_folder_named_like_an_id_hides_no_exchange(recorder: Run, tmp_path: Path) -> None:
    for name in ("empty", "last"):
        (tmp_path / name).mkdir()
    shown = recorder("show", "last", "--log-dir", "empty")
    assert (shown.returncode, shown.stderr) == (1, "Error: last: nothing is recorded yet\n")


def test_a_server_that_is_named_must_answer(recorder: Run) -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    for found in (recorder("list", "--server", url), recorder("list", RECORDER_SERVER=url)):
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr == (
            f"Error: the ingest server at {url} does not answer: Connection refused\n"
            "`recorder up` starts it; --log-dir reads a folder of recordings without one\n"
        )


def test_a_server_and_a_folder_exclude_each_other_but_a_folder_outranks_the_environment(
    recorder: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    both = recorder("list", "--server", "http://127.0.0.1:1", "--log-dir", "empty")
    assert both.returncode == 2
    assert both.stderr.endswith("Error: --server and --log-dir exclude each other\n")
    assert recorder("list", "--log-dir", "empty", RECORDER_SERVER="http://127.0.0.1:1").returncode == 0


def test_a_key_comes_from_the_option_the_environment_or_the_configuration(
    start: Start, config: tuple[int, int], recorder: Run, tmp_path: Path
) -> None:
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("ingest: {", f"ingest: {{keys: {{me: {KEY}}}, "))
    process = start("ingest")
    assert process.stdout is not None
    assert process.stdout.readline()
    (tmp_path / "no-key.yaml").write_text(text)
    url = f"http://localhost:{config[1]}"
    nothing = f"no exchange is recorded in {url}\n"
    wants = f"Error: the ingest server at {url} wants a key: "
    assert recorder("list").stderr == nothing
    assert recorder("list", "--config", "no-key.yaml").stderr == f"{wants}--server-key or RECORDER_KEY gives one\n"
    assert recorder("list", "--server", url).stderr == f"{wants}--server-key or RECORDER_KEY gives one\n"
    assert recorder("list", "--config", "no-key.yaml", RECORDER_KEY=KEY).stderr == nothing
    wrong = recorder("list", "--server-key", "another-key-0123456789")
    assert (wrong.returncode, wrong.stderr) == (1, f"{wants}the one that was sent is none of ingest.keys\n")


def test_what_is_no_ingest_server_or_an_older_one_is_told_apart(recorder: Run) -> None:
    with answering(404, "<html>") as url:
        found = recorder("list", "--server", url)
        assert (found.returncode, found.stderr) == (1, f"Error: what answers at {url} (404) is no ingest server\n")
    with answering(404, "no route", '{"service": "recorder"}') as url:
        assert recorder("list", "--server", url).stderr == (
            f"Error: {url} is a recorder: ask the ingest server that it sends its recordings to\n"
        )
    with answering(400, "no such path: /v1/exchanges (PUT ...)", '{"open_exchanges": 0}') as url:
        assert recorder("list", "--server", url).stderr == (
            f"Error: the ingest server at {url} is of an older version, which answers no questions: "
            "--log-dir reads its folder\n"
        )
    with answering(200, '{"exchanges": 1}') as url:
        found = recorder("list", "--server", url)
        assert found.returncode == 1
        assert found.stderr.startswith(f"Error: the ingest server at {url} is of another version: Expected `array`")


def test_what_a_server_says_does_not_act_on_the_terminal(recorder: Run) -> None:
    with answering(503, "\x1b[2J\x9b", '{"open_exchanges": 0}') as url:
        assert recorder("list", "--server", url).stderr == "Error: \\x1b[2J\\x9b\n"


@pytest.mark.parametrize(
    ("state", "done", "said"),
    [
        (
            "catching up",
            45_000,
            "the index is catching up, with 45,000 of 120,000 recordings so far: others are missing\n",
        ),
        ("catching up", 120_000, ""),
        ("reindexing", 45_000, ""),
    ],
)
def test_where_the_server_has_not_indexed_all_yet_it_is_said(recorder: Run, state: str, done: int, said: str) -> None:
    index = {"state": state, "indexed": 1, "waiting": 0, "done": done, "total": 120_000, "problem": None}
    with answering(200, '{"exchanges": [], "next": null}', index=json.dumps(index)) as url:
        found = recorder("list", "--server", url)
    assert (found.returncode, found.stderr) == (0, f"{said}no exchange is recorded in {url}\n")


def test_a_server_that_does_not_tell_how_far_its_index_is_has_answered_all_the_same(recorder: Run) -> None:
    with answering(200, '{"exchanges": [], "next": null}', index="nonsense") as url:
        found = recorder("list", "--server", url)
    assert (found.returncode, found.stderr) == (0, f"no exchange is recorded in {url}\n")


def test_a_folder_that_cannot_be_written_is_read_all_the_same(recordings: Recordings, tmp_path: Path) -> None:
    """The index is then made somewhere else, and gone afterwards."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in recordings.log_dir.glob("2*"):
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / ".ingest").write_text("a file, so that there is no folder to write into")
    found = run(tmp_path, "list", "--log-dir", "copy")
    assert (found.code, found.err, len(found.lines)) == (0, "", 1 + DEMO_EXCHANGES)
    assert (copy / ".ingest").is_file()


def test_a_reader_that_has_enough_ends_the_command_quietly(recordings: Recordings) -> None:
    script = f"for i in 1 2 3; do {_command('list')} | head -n 1; done; {_command('show last --json')} | head -c 10"
    done = subprocess.run(
        ["sh", "-c", script], cwd=recordings.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def _command(arguments: str) -> str:
    return f"{sys.executable} {CLI} {arguments}"
