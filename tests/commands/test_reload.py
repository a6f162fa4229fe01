"""SIGHUP to real processes: the configuration is read again under load; a wrong one is refused with all its errors."""

import os
import pty
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

import pytest

from tests.commands.conftest import CLI, Start, environment, free_ports
from tests.e2e.certificates import Certificates, certify
from tests.e2e.recorded import load

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")

RELOADS = 50
REFUSED = "the configuration was not reloaded: the old one stays\n"
DONE = "recorder: the configuration was reloaded from config.yaml\n"


class _Upstream(BaseHTTPRequestHandler):
    """Answers with the path that it was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name there
        pass


@pytest.fixture
def upstream() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


class Setup:
    """A configuration that changes, and the ports of its services."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.path = folder / "config.yaml"
        self.port, self.ingest_port = free_ports(2)
        self.upstream = upstream

    def write(self, destination: str = "a", more: str = "", server: str = "") -> None:
        """The route leads to /`destination`/ of the upstream."""
        text = (
            f"server: {{port: {self.port}{server}}}\n"
            f"ingest: {{port: {self.ingest_port}}}\n"
            f'logging: {{server_url: "http://localhost:{self.ingest_port}", console: false}}\n'
            f'routes: {{a: {{pattern: /a/, destination: "http://127.0.0.1:{self.upstream}/{destination}/"}}}}\n{more}'
        )
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)


@pytest.fixture
def setup(tmp_path: Path, upstream: int) -> Setup:
    made = Setup(tmp_path, upstream)
    made.write()
    return made


def ready(process: "subprocess.Popen[str]", lines: int = 1) -> None:
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline()


def reload(process: "subprocess.Popen[str]", end: str) -> list[str]:
    """What is told on stderr, up to the line `end`."""
    process.send_signal(signal.SIGHUP)
    return told(process.stderr, end)


def told(stderr: IO[str] | None, end: str) -> list[str]:
    assert stderr is not None
    lines: list[str] = []
    while (line := stderr.readline()) != end:
        assert line, f"ended before {end!r}: {lines}"
        lines.append(line)
    return lines


def get(port: int, path: str = "/a/x") -> str:
    with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=20) as reply:
        return str(reply.read().decode())


def test_a_service_takes_new_routes_over_and_says_so_in_one_line(start: Start, setup: Setup) -> None:
    process = start("--log-level", "error", "proxy")
    ready(process)
    assert get(setup.port) == "/a/x"
    setup.write("b")
    assert reload(process, DONE) == []
    assert get(setup.port) == "/b/x"


def test_a_wrong_configuration_is_refused_with_all_its_errors_and_the_old_one_stays(start: Start, setup: Setup) -> None:
    process = start("--log-level", "error", "proxy")
    ready(process)
    setup.write("b", "verify_sls: true\ntimeouts: {idle_s: x}\n")
    assert reload(process, REFUSED) == [
        "config.yaml:5: verify_sls: unknown key; the nearest known one is 'verify_ssl'\n",
        "config.yaml:6: timeouts.idle_s: expected a number, got 'x'\n",
    ]
    setup.path.write_text(
        "routes:\n  a: {pattern: /a/, destination: http://h}\n  b: {pattern: /a/, destination: http://h}\n"
    )
    (conflict,) = reload(process, REFUSED)
    assert conflict == (
        'config.yaml:2: routes.a: pattern "/a/" matches the same requests as "/a/" (config.yaml:3: routes.b): '
        "change or remove one of them\n"
    )
    setup.path.unlink()
    setup.path.mkdir()
    assert reload(process, REFUSED) == ["config.yaml: Is a directory\n"]
    assert get(setup.port) == "/a/x"


@pytest.mark.parametrize("command", ["proxy", "up"])
def test_a_file_that_is_gone_takes_neither_routes_nor_keys_away(start: Start, setup: Setup, command: str) -> None:
    """A start without a file takes the built-in defaults; a reload never does."""
    setup.write(server=", keys: {me: key-1234567890ab}")
    process = start("--log-level", "error", command)
    ready(process, 1 if command == "proxy" else 3)
    setup.path.unlink()
    assert reload(process, REFUSED) == ["config.yaml: no such file; `recorder init config.yaml` writes one\n"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(setup.port, "/lmstudio/v1/models")
    setup.write("b", server=", keys: {me: key-1234567890ab}")
    process.send_signal(signal.SIGHUP)
    assert told(process.stderr, DONE) in ([], ["ingest server: the configuration was reloaded from config.yaml\n"])


def test_what_cannot_change_is_named_and_the_rest_applies(start: Start, setup: Setup) -> None:
    process = start("--log-level", "error", "proxy")
    ready(process)
    port = setup.port
    setup.port += 1
    setup.write("b", "capture: {journal_dir: other, durability: write_ahead}\n")
    assert reload(process, DONE) == [
        "recorder: server.port has changed, which needs a restart\n",
        "recorder: capture.journal_dir has changed, which needs a restart\n",
        "recorder: capture.durability has changed, which needs a restart\n",
    ]
    assert get(port) == "/b/x"


def test_the_ingest_server_takes_keys_over(start: Start, setup: Setup) -> None:
    process = start("ingest")
    ready(process)
    assert get(setup.ingest_port, "/metrics")
    port = f"port: {setup.ingest_port}"
    setup.path.write_text(setup.path.read_text().replace(port, f"{port}, keys: {{a: key-1234567890ab}}"))
    (warning,) = reload(process, "ingest server: the configuration was reloaded from config.yaml\n")
    assert warning.startswith("warning: config.yaml:1: capture.link_key: there is none, ")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(setup.ingest_port, "/metrics")


def test_up_passes_it_on_and_refuses_for_both(start: Start, setup: Setup) -> None:
    process = start("up")
    ready(process, 3)
    setup.write("b")
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    assert sorted(process.stderr.readline() for _ in range(2)) == [
        "ingest server: the configuration was reloaded from config.yaml\n",
        DONE,
    ]
    assert get(setup.port) == "/b/x"
    setup.path.write_text("server: {prot: 1}\n")
    assert reload(process, REFUSED) == ["config.yaml:1: server.prot: unknown key; the nearest known one is 'port'\n"]
    assert get(setup.port) == "/b/x"


def test_no_request_is_lost_over_50_reloads_under_load(start: Start, setup: Setup, tmp_path: Path) -> None:
    """Each answer is of the old or of the new route, on kept-alive connections; each is recorded, once and whole."""
    process = start("up")
    ready(process, 3)
    stopping = threading.Event()
    counts: list[int] = []

    def ask() -> None:
        count = 0
        with socket.create_connection(("127.0.0.1", setup.port), 20) as client, client.makefile("rb") as answers:
            while not stopping.is_set():
                client.sendall(b"GET /a/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % count)
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                while (line := answers.readline()) != b"\r\n":
                    if line.startswith(b"Content-Length: "):
                        length = int(line[16:])
                assert answers.read(length) in (b"/even/%d" % count, b"/odd/%d" % count, b"/a/%d" % count)
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(RELOADS):
            setup.write("odd" if turn % 2 else "even")
            process.send_signal(signal.SIGHUP)
            assert process.stderr is not None
            both = sorted(process.stderr.readline() for _ in range(2))
            assert both == ["ingest server: the configuration was reloaded from config.yaml\n", DONE]
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert len(counts) == 4
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    records = load(tmp_path / "logs")
    assert len(records) == sum(counts)
    assert all(record.metadata["completed"] for record in records)
    assert {record.request.split(b" ")[1].split(b"/")[1] for record in records} >= {b"even", b"odd"}


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return certify(tmp_path / "tls")


def test_openssl_and_curl_see_the_new_certificate_and_an_unusable_one_is_refused(
    start: Start, setup: Setup, certificates: Certificates
) -> None:
    setup.write(server=", tls: {cert: tls/cert.pem, key: tls/key.pem}")
    process = start("--log-level", "error", "proxy")
    assert process.stdout is not None
    assert process.stdout.readline() == f"recorder listens on https://localhost:{setup.port}\n"
    assert f"OPENAI_BASE_URL=https://localhost:{setup.port}/a/v1" in process.stdout.readline()

    def serial() -> str:
        command = f"openssl s_client -connect localhost:{setup.port} </dev/null | openssl x509 -noout -serial"
        return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout

    before = serial()
    certificates.issue()
    assert reload(process, DONE) == []
    after = serial()
    assert before != after
    certificates.key.write_text("nothing")
    assert reload(process, REFUSED) == [
        "config.yaml:1: server.tls.key: tls/key.pem: holds no private key in PEM form\n"
    ]
    assert serial() == after
    url = f"https://localhost:{setup.port}/a/x"
    curl = ["curl", "-sS", "--cacert", str(certificates.ca), url]
    assert subprocess.run(curl, check=True, capture_output=True, text=True).stdout == "/a/x"


def test_plain_http_to_a_tls_port_leaves_nothing_in_the_log(
    start: Start, setup: Setup, certificates: Certificates
) -> None:
    assert certificates.cert.exists()
    setup.write(server=", tls: {cert: tls/cert.pem, key: tls/key.pem}")
    process = start("--log-level", "info", "proxy")
    ready(process)
    with socket.create_connection(("127.0.0.1", setup.port), 20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while client.recv(4096):
            pass
    with socket.create_connection(("127.0.0.1", setup.port), 20) as client:
        context = ssl.create_default_context(cafile=certificates.ca)
        with context.wrap_socket(client, server_hostname="localhost"):
            pass
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    assert "SSL" not in err


@pytest.mark.usefixtures("setup")
def test_up_stops_when_its_terminal_goes_away(tmp_path: Path) -> None:
    """As before: only where the terminal is still there does SIGHUP ask for a reload."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, str(CLI), "up"],
        cwd=tmp_path,
        env=environment(),
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    try:
        seen = b""
        while b"/a/v1" not in seen:
            seen += os.read(main, 4096)
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        assert sorted(process.stderr.readline() for _ in range(2))[1] == DONE
        os.close(main)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
