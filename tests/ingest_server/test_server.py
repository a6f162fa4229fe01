"""The server as a whole: where it listens, what it refuses, what it shows."""

import socket
from pathlib import Path

import aiohttp
import pytest

from ingest_server.lock import FolderInUseError
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from tests.ingest_server.recorder_side import JOURNAL, RESPONSE, described, exchange_id, request, started, whole


async def test_localhost_listens_on_each_of_its_addresses_at_one_port(server: IngestServer) -> None:
    addresses = ["127.0.0.1", "[::1]"] if socket.has_ipv6 and has_ipv6_loopback() else ["127.0.0.1"]
    async with aiohttp.ClientSession() as session:
        for address in addresses:
            async with session.get(f"http://{address}:{server.port}/health") as reply:
                assert reply.status == 200


def has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


async def test_a_port_in_use_is_an_os_error_and_leaves_the_folder_free(server: IngestServer, tmp_path: Path) -> None:
    other = IngestSettings(port=server.port, log_dir=tmp_path / "other", key_dir=tmp_path / "key")
    with pytest.raises(OSError, match="Address already in use"):
        await IngestServer(other).start()
    async with IngestServer(IngestSettings(port=0, log_dir=tmp_path / "other", key_dir=tmp_path / "key")):
        pass


async def test_a_folder_is_used_by_one_server_only(server: IngestServer, settings: IngestSettings) -> None:
    assert server.port
    with pytest.raises(FolderInUseError) as caught:
        await IngestServer(settings).start()
    assert str(caught.value) == (
        f"{settings.log_dir} is in use by another ingest server: stop that one, or set another ingest.log_dir"
    )


async def test_a_stop_brings_everything_into_the_files(settings: IngestSettings) -> None:
    async with IngestServer(settings) as server, aiohttp.ClientSession() as session:
        data = started(1) + request(1)
        async with session.put(f"http://127.0.0.1:{server.port}/v1/journals/{JOURNAL}/0", data=data) as reply:
            assert await reply.json() == {"next": len(data), "stored": 0}
    assert described(settings.log_dir, 1)["error"] is None
    async with (
        IngestServer(settings) as server,
        aiohttp.ClientSession() as session,
        session.put(f"http://127.0.0.1:{server.port}/v1/journals/{JOURNAL}/{len(data)}", data=b"") as reply,
    ):
        assert await reply.json() == {"next": len(data), "stored": len(data)}


async def test_health_tells_what_it_has_done(client: aiohttp.ClientSession) -> None:
    async with client.put(f"/v1/journals/{JOURNAL}/0", data=whole(1) + started(2)):
        pass
    async with client.get("/health") as reply:
        assert await reply.json() == {
            "status": "ok",
            "open_exchanges": 1,
            "completed": 1,
            "incomplete": 0,
            "gaps": 0,
            "write_errors": 0,
        }


async def test_metrics_are_in_the_prometheus_format(client: aiohttp.ClientSession) -> None:
    async with client.put(f"/v1/journals/{JOURNAL}/0", data=whole(1)):
        pass
    async with client.get("/metrics") as reply:
        lines = (await reply.text()).splitlines()
        assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'recorder_ingest_exchanges_ended_total{completed="true"} 1.0' in lines
    assert "recorder_ingest_open_exchanges 0.0" in lines


async def test_the_live_feed_tells_of_starts_and_ends(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/live") as feed:
        assert feed.content_type == "text/event-stream"
        assert await feed.content.readuntil(b"\n\n") == b": listening\n\n"
        async with client.put(f"/v1/journals/{JOURNAL}/0", data=whole(1)):
            pass
        url = "http://localhost:5601/lmstudio/v1/models"
        assert (await feed.content.readuntil(b"\n\n")).decode() == (
            f'event: started\ndata: {{"id":"{exchange_id(1)}","method":"POST","url":"{url}","route":"lmstudio"}}\n\n'
        )
        assert (await feed.content.readuntil(b"\n\n")).decode() == (
            f'event: finished\ndata: {{"id":"{exchange_id(1)}","method":"POST","url":"{url}","route":"lmstudio",'
            '"status":200,"completed":true,"error":null,'
            '"durations_ms":{"connect":0.1,"first_byte":2.0,"total":2.5},'
            f'"request_bytes":58,"response_bytes":{len(RESPONSE)}}}\n\n'
        )


OWN_NAMES = "ask for localhost or its address, or add the name to ingest.allowed_hosts\n"
REFUSED = [
    ("GET", "/", {}, 400, "no such path: / (GET /openapi.json lists all)\n"),
    ("PUT", "/a/b/c", {}, 400, "no such path: /a/b/c (PUT /ID/request or /ID/response, where ID is a UUID)\n"),
    ("POST", "/health", {}, 405, "POST is not possible here, but GET, HEAD\n"),
    (
        "GET",
        "/health",
        {"Origin": "http://evil.example"},
        403,
        "requests from pages of http://evil.example are refused\n",
    ),
    (
        "GET",
        "/health",
        {"Host": "evil.example"},
        403,
        f"the host 'evil.example' is not this server: {OWN_NAMES}",
    ),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "text"), REFUSED)
async def test_what_it_does_not_serve_is_refused_in_plain_text(
    client: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str], status: int, text: str
) -> None:
    async with client.request(method, path, headers=headers) as reply:
        assert (reply.status, await reply.text(), reply.content_type) == (status, text, "text/plain")
