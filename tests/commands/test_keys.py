"""recorder up with every kind of key: both services ask for theirs, recordings arrive, and no output shows a key."""

import http.client
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.commands.conftest import Start, free_ports
from tests.commands.test_up import read_start

CLIENT, READER, LINK = "rk-the-key-of-a-client", "rk-the-key-of-a-reader", "rk-the-key-of-the-link"


class _Upstream(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = (self.headers.get("Authorization") or "-").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def get(port: int, path: str, **fields: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def test_keys_open_each_door_and_show_nowhere(start: Start, tmp_path: Path, upstream: int) -> None:
    recorder_port, ingest_port = free_ports(2)
    (tmp_path / "config.yaml").write_text(
        f'server: {{host: "0.0.0.0", port: {recorder_port}, keys: {{client: "${{CLIENT}}"}}}}\n'
        f'ingest: {{host: "0.0.0.0", port: {ingest_port}, keys: {{reader: "${{READER}}"}}}}\n'
        f'logging: {{server_url: "http://127.0.0.1:{ingest_port}"}}\n'
        'capture: {link_key: "${LINK}"}\n'
        f'routes: {{lm: {{pattern: "/lm/", destination: "http://127.0.0.1:{upstream}/"}}}}\n'
    )
    (tmp_path / ".env").write_text(f"CLIENT={CLIENT}\nREADER={READER}\nLINK={LINK}\n")
    process = start("--log-level", "debug", "up")
    read_start(process, 3)
    assert get(recorder_port, "/health")[0] == get(ingest_port, "/health")[0] == 200
    assert [get(recorder_port, "/lm/")[0], get(recorder_port, "/metrics")[0]] == [401, 401]
    assert get(ingest_port, "/metrics")[0] == 401
    assert get(recorder_port, "/lm/", Authorization=f"Bearer {CLIENT}") == (200, "-")
    beside = get(recorder_port, "/lm/", x_recorder_key=CLIENT, Authorization="Bearer sk-provider")
    assert beside == (200, "Bearer sk-provider")
    assert get(recorder_port, "/metrics", x_api_key=CLIENT)[0] == 200
    assert get(ingest_port, "/metrics", Authorization=f"Bearer {READER}")[0] == 200
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "recorded 3 exchanges" in out
    files = {path: path.read_bytes() for path in (tmp_path / "logs").rglob("*") if path.is_file()}
    assert len([path for path in files if path.name.endswith("_metadata.json")]) == 3
    shown = out.encode() + err.encode() + b"".join(files.values())
    assert [key for key in (CLIENT, READER, LINK) if key.encode() in shown] == []
