"""recorder status: the ledger as people and programs read it, and what it says where nobody answers."""

import http.client
import io
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from commands.status import show
from ingest_server.ledger import JournalFigures, Ledger
from tests.commands.conftest import Start, free_ports
from traffic.capture.status import Dropped, RecorderStatus

Run = Callable[..., "subprocess.CompletedProcess[str]"]
JOURNAL = "11111111-2222-4333-8444-555555555555"
NOW_NS = 1_789_265_469_000_000_000


def shown(ledger: Ledger) -> list[str]:
    stream = io.StringIO()
    show(ledger.report(NOW_NS), Console(file=stream, width=200, highlight=False))
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]


def test_a_table_has_a_line_per_recorder_and_below_it_what_is_wrong() -> None:
    ledger = Ledger()
    ledger.publish(JournalFigures(JOURNAL, "a:5601", False, 20, 1200, 34, 2, {"queue_full": Dropped(2, 1, 900)}, 0))
    ledger.publish(JournalFigures("other", "b:5601", True, 3, 3, 0, 0, {}, 0))
    told = RecorderStatus("a:5601", 1, "", "", JOURNAL, 5, 2, waiting_bytes=52_000, oldest_waiting_s=200)
    ledger.hear(JOURNAL, told, NOW_NS - 3_000_000_000)
    columns = [line.split("  ") for line in shown(ledger)]
    lines = [[word.strip() for word in line if word.strip()] for line in columns]
    assert lines[0] == [
        "recorder", "state", "recorded", "in flight", "waiting", "dropped", "missing", "last contact",
    ]  # fmt: skip
    assert lines[1:] == [
        ["a:5601", "running", "1,234 (34 incomplete)", "3", "52.0 kB (3 min)", "3", "0", "3 s ago"],
        ["b:5601", "stopped", "3", "0", "0 B", "0", "0", "-"],
        ["all", "1,237 (34 incomplete)", "3", "52.0 kB (3 min)", "3", "0"],
        ["a:5601: dropped: 2 exchanges, parts of 1, 900 bytes in all (queue_full)"],
    ]


def test_nothing_that_a_recorder_tells_acts_on_the_terminal() -> None:
    ledger = Ledger()
    ledger.publish(JournalFigures(JOURNAL, "[red]\x1b[2J", False, 0, 0, 0, 0, {}, 0))
    ledger.hear(JOURNAL, RecorderStatus("[red]\x1b[2J", 1, "", "", JOURNAL, problem="\x9b[bold]"), NOW_NS)
    text = "\n".join(shown(ledger))
    assert "[red]\\x1b[2J: \\x9b[bold]" in text
    assert "\x1b" not in text


def test_no_recorder_is_no_trouble() -> None:
    assert shown(Ledger()) == ["no recorder has sent anything yet"]


@pytest.fixture
def services(start: Start, config: tuple[int, int]) -> tuple[int, int]:
    process = start("up")
    assert process.stdout is not None
    while "lmstudio" not in process.stdout.readline():
        assert process.poll() is None
    return config


def until_it_is(recorder: Run, condition: Callable[["subprocess.CompletedProcess[str]"], bool], *arguments: str) -> str:
    deadline = time.monotonic() + 20
    while not condition(found := recorder("status", *arguments)):
        assert time.monotonic() < deadline, found
    return found.stdout


def test_it_asks_the_running_ingest_server(services: tuple[int, int], recorder: Run) -> None:
    """The refused request below is recorded; the configuration says whom to ask."""
    client = http.client.HTTPConnection("localhost", services[0])
    client.request("GET", "/lmstudio/v1/models")
    assert client.getresponse().status == 502
    client.close()
    until_it_is(recorder, lambda found: '"incomplete": 1,' in found.stdout, "--json")
    found = recorder("status", RECORDER_SERVER=f"http://127.0.0.1:{services[1]}")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("recorder ")
    assert " 1 (1 incomplete) " in found.stdout
    report = json.loads(recorder("status", "--json").stdout)
    assert (report["is_fine"], report["totals"]["unexplained"]) == (True, 0)


def test_where_the_ingest_server_is_away_the_recorder_says_what_waits(
    start: Start, config: tuple[int, int], recorder: Run
) -> None:
    process = start("proxy")
    assert process.stdout is not None
    while "recordings are sent to" not in process.stdout.readline():
        assert process.poll() is None
    found = recorder("status")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"Error: the ingest server at http://localhost:{config[1]} does not answer: Connection refused\n"
        f"The recorder at http://localhost:{config[0]} does: recorded 0, in flight 0, lost 0; "
        "0 B wait in its journal. `recorder ingest` starts the ingest server.\n"
    )


def test_a_link_key_that_is_refused_is_trouble_though_the_ledger_knows_of_no_recorder(
    start: Start, config: tuple[int, int], recorder: Run, tmp_path: Path
) -> None:
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(
        text.replace("ingest: {", "ingest: {link_keys: {me: key-of-a-link-0123456}, ")
    )
    ingest = start("ingest")
    assert ingest.stdout is not None
    assert ingest.stdout.readline()
    (tmp_path / "config.yaml").write_text(f"{text}capture: {{link_key: some-other-key-0123456}}\n")
    proxy = start("proxy")
    assert proxy.stderr is not None
    assert "capture.link_key is refused" in proxy.stderr.readline()
    found = recorder("status")
    assert (found.returncode, found.stdout) == (1, "no recorder has sent anything yet\n")
    assert found.stderr == (
        f"The recorder at http://localhost:{config[0]} says: "
        "capture.link_key is refused: the key that was sent is none of ingest.link_keys\n"
    )


def test_where_nobody_answers_it_says_how_to_start_them(config: tuple[int, int], recorder: Run) -> None:
    (port,) = free_ports(1)
    found = recorder("status", "--server", f"http://127.0.0.1:{port}")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"Error: the ingest server at http://127.0.0.1:{port} does not answer: Connection refused\n"
        f"The recorder at http://localhost:{config[0]} does not answer either. `recorder up` starts both.\n"
    )


def test_what_keeps_no_ledger_is_told_apart(services: tuple[int, int], recorder: Run) -> None:
    url = f"http://localhost:{services[0]}"
    found = recorder("status", "--server", url)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == f"Error: what answers at {url} (404) is no ingest server that keeps a ledger\n"


def test_a_key_comes_from_the_environment(start: Start, config: tuple[int, int], recorder: Run, tmp_path: Path) -> None:
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("ingest: {", "ingest: {keys: {me: a-key-of-mine-0123456789}, "))
    process = start("ingest")
    assert process.stdout is not None
    assert process.stdout.readline()
    refused = recorder("status")
    url = f"http://localhost:{config[1]}"
    assert refused.returncode == 1
    assert refused.stderr == f"Error: the ingest server at {url} wants a key: set RECORDER_KEY to one of ingest.keys\n"
    assert recorder("status", RECORDER_KEY="a-key-of-mine-0123456789").stdout == "no recorder has sent anything yet\n"
