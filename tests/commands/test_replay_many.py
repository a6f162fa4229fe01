"""recorder replay of many exchanges, as a process: what is sent when, what is said of it, what is asked before."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.recordings import exchanges_in
from tests.commands.conftest import CLI, Start, environment
from tests.commands.replayed import PAID, Answering, answering, completion, record

Run = Callable[..., "subprocess.CompletedProcess[str]"]

TIMES = r"p50 \S+  p90 \S+  p95 \S+  p99 \S+  max \S+"


def test_a_dry_run_tells_what_would_go_where_and_sends_nothing(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        ids = [record(tmp_path / "logs", server.port, at_ms, PAID) for at_ms in (0, 100, 250)]
        options = ("--dry-run", "--schedule", "recorded", "--speed", "2x", "--limit", "2", "--repeat", "3")
        found = recorder("replay", "logs", *options)
        called = f"POST http://127.0.0.1:{server.port}/up/v1/chat/completions  to https://api.openai.com"
        lines = found.stdout.splitlines()
        assert [re.sub(r"  [\d,]+ bytes", "", line) for line in lines] == [
            f"+0.000s  {called}  replays {ids[0][:8]}  $0.010",
            f"+0.050s  {called}  replays {ids[1][:8]}  $0.010",
        ]
        assert (found.returncode, found.stderr) == (0, "-- 2 requests, 3 times; nothing was sent\n")
        assert server.bodies == []


def test_all_are_sent_and_summed_up(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        for at_ms in range(3):
            record(tmp_path / "logs", server.port, at_ms)
        found = recorder("replay", "logs", "--concurrency", "4", "--repeat", "5")
        assert len(server.bodies) == 15
    sent, answers, took, first = found.stdout.splitlines()
    assert re.fullmatch(r"sent 15 of 15 in \S+, [\d.,]+/s; \S+ \S+ came back", sent)
    assert answers == "answers     200: 15"
    assert re.fullmatch(rf"took        {TIMES}", took)
    assert re.fullmatch(rf"first byte  {TIMES}", first)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("options", [("--schedule", "recorded", "--speed", "100x"), ("--rate", "1000/s")])
def test_a_late_answer_delays_no_later_request(recorder: Run, tmp_path: Path, options: tuple[str, ...]) -> None:
    """The server answers nobody before all requests are there."""

    def wait_for_all(server: Answering) -> bytes:
        server.until(6)
        return completion()

    with answering(wait_for_all) as server:
        for at_ms in (500, 100, 200):
            record(tmp_path / "logs", server.port, at_ms)
        found = recorder("replay", "logs", "--repeat", "2", *options)
        prompts = [body.rpartition(b"at ")[2].partition(b'"')[0] for body in server.bodies]
    assert sorted(prompts) == [b"100", b"100", b"200", b"200", b"500", b"500"]
    assert re.fullmatch(rf"late        {TIMES}", found.stdout.splitlines()[-1])
    assert found.returncode == 0


def test_requests_of_a_schedule_wait_where_too_many_are_under_way(recorder: Run, tmp_path: Path) -> None:
    def wait(server: Answering) -> bytes:
        assert len(server.bodies) <= asked.pop()
        return completion()

    asked = [3, 2, 1]
    with answering(wait) as server:
        for at_ms in range(3):
            record(tmp_path / "logs", server.port, at_ms)
        found = recorder("replay", "logs", "--rate", "1000", "--concurrency", "1")
    assert "answers     200: 3\n" in found.stdout
    assert "\nlate " in found.stdout


def test_what_comes_is_kept_as_recordings_that_replay_and_list_read(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        recorded = record(tmp_path / "logs", server.port, 5, PAID)
        options = ("--out", "kept", "--to", f"http://127.0.0.1:{server.port}", "--header", "Authorization: Bearer k")
        found = recorder("replay", "logs", *options, "--repeat", "2")
        assert (found.returncode, found.stderr) == (0, "")
        kept = list(exchanges_in(tmp_path / "kept"))
        assert [each.metadata.replay_of for each in kept] == [recorded, recorded]
        facts = kept[0].metadata
        assert facts.url == facts.upstream_url == f"http://127.0.0.1:{server.port}/v1/chat/completions"
        assert facts.completed
        assert kept[0].response.endswith(completion())
        assert b"Authorization: Bearer [secret:" in kept[0].request
        assert server.heads[0]["Authorization"] == "Bearer k"
        listed = recorder("list", "--log-dir", "kept", "--json").stdout.splitlines()
        assert len(listed) == 2
        assert '"model":"gpt-4o"' in listed[0]
        assert recorder("verify", "--log-dir", "kept").returncode == 0
        again = recorder("replay", "kept", "--limit", "1", "--out", "again")  # one alone is shown as well
        assert (again.returncode, again.stdout) == (0, "Yes.\n")
        assert server.bodies[2] == server.bodies[0]
        assert len(list(exchanges_in(tmp_path / "again"))) == 1


def test_what_is_charged_for_is_not_sent_without_a_yes(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        for at_ms in range(2):
            record(tmp_path / "logs", server.port, at_ms, PAID)
        found = recorder("replay", "logs", "--repeat", "2")
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr == (
            "Error: 4 POST requests go to https://api.openai.com, which charges for them (as recorded: $0.040); "
            "--yes sends them without asking\n"
        )
        assert server.bodies == []
        assert recorder("replay", "logs", "--yes").returncode == 0
        assert len(server.bodies) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("said", "code", "sent"), [(b"n\n", 1, 0), (b"y\n", 0, 1)])
def test_on_a_terminal_the_user_is_asked(tmp_path: Path, said: bytes, code: int, sent: int) -> None:
    with answering() as server:
        record(tmp_path / "logs", server.port, 0, PAID)
        ours, theirs = os.openpty()
        os.write(ours, said)
        argv = [sys.executable, str(CLI), "replay", "logs"]
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment(), stdin=theirs, capture_output=True, text=True, timeout=60, check=False
        )
        os.close(theirs)
        os.close(ours)
        question = (
            "1 POST request goes to https://api.openai.com, which charges for it (as recorded: $0.010). Send? [y/N]: "
        )
        assert question in done.stderr
        assert (done.returncode, len(server.bodies)) == (code, sent)


def test_a_limit_of_cost_stops_before_it_is_exceeded(recorder: Run, tmp_path: Path) -> None:
    """Recorded at a cent each; the answers cost two."""
    with answering(lambda _: completion(2000)) as server:
        for at_ms in range(6):
            record(tmp_path / "logs", server.port, at_ms, PAID)
        found = recorder("replay", "logs", "--yes", "--max-cost", "0.07", "--concurrency", "2")
        lines = found.stdout.splitlines()
        assert re.match("sent 3 of 6 in ", lines[0])
        assert lines[1] == "stopped, as more could exceed --max-cost: 3 were not sent"
        assert lines[-1] == "cost        $0.060 of at most $0.070"
        assert (found.returncode, len(server.bodies)) == (1, 3)


def test_a_limit_of_cost_that_cannot_be_kept_sends_nothing(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        recorded = record(tmp_path / "logs", server.port, 0, PAID, "our-own-model")
        found = recorder("replay", "logs", "--yes", "--max-cost", "1")
        assert (found.returncode, found.stdout) == (1, "")
        assert found.stderr == (
            f"Error: --max-cost cannot be kept: nobody knows what {recorded[:8]} costs at https://api.openai.com; "
            "`prices` in the configuration gives models a price\n"
        )
        assert server.bodies == []


def test_a_request_of_unknown_cost_counts_as_the_dearest(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        for model in ("our-own-model", "gpt-4o", "our-own-model"):
            record(tmp_path / "logs", server.port, 0, PAID, model)
        found = recorder("replay", "logs", "--yes", "--max-cost", "0.025", "--out", "kept")
        assert found.stderr == "-- nobody knows what 2 requests will cost; each counts as $0.010, the most of all\n"
        assert re.match("sent 2 of 3 in ", found.stdout)
        assert found.stdout.splitlines()[-1] == "cost        $0.020 of at most $0.025"


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent SIGINT")
def test_ctrl_c_sums_up_what_was_sent_and_exits_130(start: Start, tmp_path: Path) -> None:
    release: list[bool] = []

    def wait(server: Answering) -> bytes:
        with server.changed:
            server.changed.wait_for(lambda: len(server.bodies) < 3 or release, timeout=20)
        return completion()

    with answering(wait) as server:
        for at_ms in range(5):
            record(tmp_path / "logs", server.port, at_ms)
        process = start("replay", "logs", "--concurrency", "1", "--out", "kept")
        server.until(3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        with server.changed:
            release.append(True)
            server.changed.notify_all()
    lines = out.splitlines()
    assert re.match("sent 3 of 5 in ", lines[0])
    assert lines[1:4] == [
        "interrupted: 2 were not sent",
        "1 was given up before the answer had ended",
        "answers     200: 2",
    ]
    assert process.returncode == 130
    assert len(list(exchanges_in(tmp_path / "kept"))) == 2


def test_what_is_not_answered_is_counted_and_exits_1(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        record(tmp_path / "logs", server.port)
        record(tmp_path / "logs", server.port, 1)
    found = recorder("replay", "logs", "--concurrency", "2")
    problem = f"cannot connect to http://127.0.0.1:{server.port}: nothing listens there"
    assert found.stdout.splitlines()[1:] == [f"no answer   upstream_refused: 2, the first: {problem}"]
    assert (found.returncode, found.stderr) == (1, "")


def test_recordings_of_no_whole_request_are_passed_over_and_named(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        record(tmp_path / "logs", server.port)
        record(tmp_path / "logs", server.port, 1)
        (cut, *_) = sorted((tmp_path / "logs").glob("*_request.bin"))
        cut.write_bytes(cut.read_bytes()[:-1])
        problem = "the recording is incomplete: the end of the body is missing"
        found = recorder("replay", "logs", "--repeat", "2", "--concurrency", "2")
        assert (found.returncode, found.stderr) == (0, f"-- 1 exchange passed over: {problem}\n")
        assert len(server.bodies) == 2
        found = recorder("replay", str(cut))
        assert (found.returncode, found.stderr) == (1, f"Error: {problem}\n")


def test_recordings_that_cannot_go_there_or_be_edited_so_are_passed_over_too(recorder: Run, tmp_path: Path) -> None:
    with answering() as server:
        record(tmp_path / "logs", server.port)
        record(tmp_path / "logs", server.port, 1, f"http://127.0.0.1:{server.port}/")
        options = ("--direct", "--concurrency", "2")
        found = recorder("replay", "logs", *options)
        problem = "the recording does not tell to which upstream it went; give --to URL"
        assert (found.returncode, found.stderr) == (0, f"-- 1 exchange passed over: {problem}\n")
        (tmp_path / "get_request.bin").write_bytes(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
        to = f"http://127.0.0.1:{server.port}"
        found = recorder(
            "replay", "get_request.bin", "logs", "--to", to, "--set", "model=x", "--repeat", "2", "--rate", "50"
        )
        problem = "the request has no JSON body, and --set edits nothing else"
        assert (found.returncode, found.stderr) == (0, f"-- 1 exchange passed over: {problem}\n")
        assert len(server.bodies) == 5


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--rate", "1", "--schedule", "asap"), "--rate and --schedule exclude each other"),
        (("--speed", "2x"), "--speed is for --schedule recorded"),
        (("--rate", "0"), "Invalid value for '--rate': expected 5/s, 0.5/s or 30/min, got '0'"),
        (("--speed", "fast"), "Invalid value for '--speed': expected 2x or 0.5x, got 'fast'"),
        (("--concurrency", "0"), "Invalid value for '--concurrency': 0 is not in the range x>=1."),
    ],
)
def test_wrong_options_exit_2_with_the_reason(recorder: Run, options: tuple[str, ...], problem: str) -> None:
    found = recorder("replay", "logs", *options)
    assert (found.returncode, found.stderr.splitlines()[-1]) == (2, f"Error: {problem}")
