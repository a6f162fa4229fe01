"""What the services write is for its owner alone, whatever the umask of the shell that started them."""

import asyncio
import http.client
import os
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import CLI, environment, free_ports
from tests.e2e.scripted import ScriptedUpstream, connect, until
from tests.ingest_server.recorder_side import JOURNAL, gap

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
ID = "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"


def wrong_modes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): oct(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.name not in ("config.yaml", "output")
        and path.stat().st_mode & 0o7777 != (0o700 if path.is_dir() else 0o600)
    }


def files(folder: Path, pattern: str) -> list[str]:
    return [path.name for path in folder.rglob(pattern) if path.is_file()]


@pytest.mark.parametrize("umask", ["000", "777"])
async def test_files_are_0600_and_folders_0700_while_both_services_run(tmp_path: Path, umask: str) -> None:
    port, ingest_port = free_ports(2)
    async with ScriptedUpstream() as upstream:
        (tmp_path / "config.yaml").write_text(
            f"server: {{port: {port}, grace_s: 1}}\n"
            f"ingest: {{port: {ingest_port}, log_dir: deep/below/logs, layout: daily}}\n"
            f'logging: {{server_url: "http://localhost:{ingest_port}"}}\n'
            "capture: {journal_dir: other/journal}\n"
            f'routes: {{lm: {{pattern: /lm/, destination: "http://127.0.0.1:{upstream.port}/"}}}}\n'
        )
        with (tmp_path / "output").open("wb") as output:
            shell = ["/bin/sh", "-c", f'umask {umask}; exec "$@"', "sh", sys.executable, str(CLI), "up"]
            process = await asyncio.create_subprocess_exec(
                *shell, cwd=tmp_path, env=environment(), stdout=output, stderr=output
            )
        try:
            await until(lambda: b"OPENAI_BASE_URL" in (tmp_path / "output").read_bytes(), "both listen")
            client = await connect(port)
            far = await upstream.accept_request(client, b"GET /lm/ HTTP/1.1\r\nHost: x\r\n\r\n")
            await far.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            await client.read_until(b"hello\r\n")
            put(ingest_port, f"/{ID}/request", b"GET / HTTP/1.1\r\n\r\n")
            put(ingest_port, f"/v1/journals/{JOURNAL}/0", gap(1, 2))
            await until(lambda: files(tmp_path, ".ingest/open/*") != [], "the open exchange has its sidecar")
            await until((tmp_path / "deep/below/logs/gaps.ndjson").exists, "the gap is noted")
            assert wrong_modes(tmp_path) == {}
            kinds = {name.rpartition("_")[2] for name in files(tmp_path, "*")}
            assert {"request.bin", "response.bin", "metadata.json", "redaction.key", "gaps.ndjson", "lock"} <= kinds
            assert files(tmp_path, "*.seg")
            await client.leave()
        finally:
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 30) == 0
        assert wrong_modes(tmp_path) == {}


def put(port: int, path: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("PUT", path, body)
    assert connection.getresponse().status in (200, 201)
    connection.close()
