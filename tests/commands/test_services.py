"""recorder proxy and recorder ingest as processes: readiness, stop, and starts that fail."""

import errno
import json
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands.services import explain
from tests.commands.conftest import Start
from tests.commands.test_up import read_start

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("name", ["proxy", "ingest"])
def test_a_child_says_when_it_is_ready_and_ends_with_its_stdin(
    start: Start, config: tuple[int, int], name: str
) -> None:
    process = start("--log-level", "error", name, "--exit-with-parent")
    assert process.stderr is not None
    assert process.stdin is not None
    port = config[0] if name == "proxy" else config[1]
    assert json.loads(process.stderr.readline()) == {"ready": True, "port": port}
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the limits of another process")
@pytest.mark.usefixtures("config")
def test_a_service_may_open_as_many_files_as_the_system_allows(start: Start) -> None:
    """Each connection is one; what shells allow at first is often 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        process = start("proxy")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    read_start(process)
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(start: Start, config: tuple[int, int], number: signal.Signals) -> None:
    process = start("proxy")
    lines = read_start(process)
    assert lines[0] == f"recorder listens on http://localhost:{config[0]}\n"
    assert lines[-1] == f"recordings are sent to http://localhost:{config[1]}\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith("recorded 0 exchanges, 0 B; lost 0\n")


def test_a_second_signal_ends_it_at_once(start: Start, config: tuple[int, int], tmp_path: Path) -> None:
    """The first one waits for a running exchange: here for an upstream that never answers."""
    address = ("127.0.0.1", config[0])
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        path = tmp_path / "config.yaml"
        route = f'routes: {{slow: {{pattern: "/", destination: "http://127.0.0.1:{upstream.getsockname()[1]}/"}}}}\n'
        path.write_text(path.read_text().partition("routes:")[0] + route)
        process = start("proxy")
        assert process.stdout is not None
        assert process.stdout.readline()
        with socket.create_connection(address) as idle, socket.create_connection(address) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            connection, _ = upstream.accept()
            with connection:
                assert connection.recv(1)  # the exchange runs
                process.send_signal(signal.SIGTERM)
                assert idle.recv(1) == b""  # the first signal has arrived
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 1


def test_a_port_in_use_is_one_line_that_names_the_key(recorder: Run, config: tuple[int, int]) -> None:
    for name, key, port in (("proxy", "server.port", config[0]), ("ingest", "ingest.port", config[1])):
        with socket.create_server(("127.0.0.1", port)):
            found = recorder(name)
        assert found.returncode == 1
        assert found.stderr == (
            f"Error: {key}: localhost:{port} is already in use; stop what uses it, or set another {key}\n"
        )


def test_a_wrong_configuration_exits_2(recorder: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("server: {prot: 1}\n")
    for name in ("proxy", "ingest", "up"):
        found = recorder(name)
        assert found.returncode == 2
        assert found.stderr.startswith("config.yaml:1: server.prot: ")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OSError(errno.EACCES, "Permission denied"),
            "server.port: not allowed to listen on localhost:80; set server.port to one above 1023",
        ),
        (
            OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"),
            "server.host: cannot listen on localhost:80: Cannot assign requested address",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/logs"),
            "/logs: Permission denied; ingest.log_dir and capture.journal_dir name the folders",
        ),
        (ValueError("two patterns conflict"), "two patterns conflict"),
    ],
)
def test_a_failed_start_says_what_to_change(error: Exception, text: str) -> None:
    assert explain(error, "server", "localhost:80") == text
