"""Who may ask the ingest server: by which name, from which page, with which key; and what every answer carries."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from ingest_server.api.operations import OPERATIONS
from ingest_server.api.parameters import PLACES
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from tests.e2e.scripted import connect
from tests.ingest_server.recorder_side import JOURNAL
from traffic.keys import Key, hash_key

READER = "a-reader-key-0123456789"
HASHED = "a-hashed-key-0123456789"
LINK = "a-link-key-0123456789ab"
ID = "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"
KEYS = (Key.parse("reader", READER), Key.parse("hashed", hash_key(HASHED)))
PLACES_BY_NAME = {place.name: place.example for place in PLACES}
ENDPOINTS = [
    *((each.method, each.path.format(**PLACES_BY_NAME)) for each in OPERATIONS if each.path != "/health"),
    ("GET", "/nowhere"),
    ("POST", "/health"),
]
WANTED = "send one as `x-recorder-key: KEY` or `Authorization: Bearer KEY`\n"


@pytest.fixture
def changes() -> dict[str, object]:
    """What the settings say besides the defaults."""
    return {}


@pytest.fixture
async def server(settings: IngestSettings, changes: dict[str, object]) -> AsyncIterator[IngestServer]:
    async with IngestServer(replace(settings, **changes)) as server:  # type: ignore[arg-type] # fields by their names
        yield server


async def ask(
    client: aiohttp.ClientSession, method: str, path: str, headers: list[tuple[str, str]] | None = None
) -> tuple[int, str]:
    """Status, and the body where it ends by itself."""
    async with client.request(method, path, headers=headers or []) as reply:
        return reply.status, "" if reply.content_type == "text/event-stream" else await reply.text()


# --- keys


@pytest.mark.parametrize("changes", [{"keys": KEYS}])
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_every_endpoint_wants_a_key_where_keys_are_set(
    client: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with client.request(method, path) as reply:
        assert (reply.status, await reply.text()) == (401, f"this wants a key of ingest.keys: {WANTED}")
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="ingest server"'
    for wrong in ("wrong", READER[:-1], READER + "x", hash_key(HASHED), ""):
        status, text = await ask(client, method, path, [("x-recorder-key", wrong)])
        assert (status, text) == (401, "the key that was sent is none of ingest.keys\n")
    for header in (("X-Recorder-Key", READER), ("Authorization", f"bEARER {HASHED}")):
        status, _ = await ask(client, method, path, [header])
        assert status != 401


@pytest.mark.parametrize("changes", [{"keys": KEYS, "link_keys": (Key.parse("link", LINK),)}])
async def test_health_alone_needs_no_key(client: aiohttp.ClientSession) -> None:
    for method in ("GET", "HEAD"):
        assert (await ask(client, method, "/health"))[0] == 200
    assert (await ask(client, "GET", "/health/detailed"))[0] == 401


@pytest.mark.parametrize("changes", [{"keys": KEYS, "link_keys": (Key.parse("link", LINK),)}])
async def test_journals_take_a_link_key_and_nothing_else_does(client: aiohttp.ClientSession) -> None:
    journal = f"/v1/journals/{JOURNAL}/0"
    link, reader = ("Authorization", f"Bearer {LINK}"), ("Authorization", f"Bearer {READER}")
    assert await ask(client, "PUT", journal) == (401, f"this wants a key of ingest.link_keys: {WANTED}")
    assert await ask(client, "PUT", journal, [reader]) == (401, "the key that was sent is none of ingest.link_keys\n")
    assert (await ask(client, "PUT", journal, [link]))[0] == 200
    assert await ask(client, "GET", "/metrics", [link]) == (401, "the key that was sent is none of ingest.keys\n")
    assert (await ask(client, "GET", "/metrics", [reader]))[0] == 200


@pytest.mark.parametrize("changes", [{"link_keys": (Key.parse("link", LINK),)}])
async def test_with_link_keys_alone_only_journals_are_locked(client: aiohttp.ClientSession) -> None:
    assert (await ask(client, "PUT", f"/v1/journals/{JOURNAL}/0"))[0] == 401
    assert (await ask(client, "GET", "/metrics"))[0] == 200


@pytest.mark.parametrize("changes", [{"keys": KEYS}])
@pytest.mark.parametrize(
    "path",
    [f"/v1/%6Aournals/{JOURNAL}/0", f"//v1/journals/{JOURNAL}/0", "/health/", "//health", "/health%2F", "/./health"],
)
async def test_no_spelling_of_a_path_goes_around_the_key(server: IngestServer, path: str) -> None:
    client = await connect(server.port)
    await client.send(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    assert (await client.read_message()).startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    await client.leave()


@pytest.mark.parametrize("changes", [{"keys": KEYS}])
async def test_one_right_key_among_several_is_enough(client: aiohttp.ClientSession) -> None:
    headers = [("X-Recorder-Key", "wrong"), ("X-Recorder-Key", f" {READER} "), ("Authorization", "Basic x")]
    assert (await ask(client, "GET", "/metrics", headers))[0] == 200


# --- names and pages


@pytest.mark.parametrize("changes", [{"allowed_hosts": ("Recordings.example",)}])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1:8080", 200),
        ("127.8.9.1", 200),
        ("[::1]:99", 200),
        ("recordings.EXAMPLE", 200),
        ("recordings.example:443", 200),
        ("evil.example", 403),
        ("recordings.example.evil.example", 403),
        ("evil-recordings.example", 403),
        ("x.recordings.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.168.1.7", 403),
        ("0.0.0.0", 403),
        ("[::1", 403),
        ("localhost:x", 403),
        ("user@localhost", 403),
        ("localhost/evil.example", 403),
        ("localhost evil.example", 403),
        ("", 403),
    ],
)
async def test_it_answers_to_its_own_names_only(server: IngestServer, host: str, status: int) -> None:
    client = await connect(server.port)
    await client.send(f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = await client.read_message()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    if status == 403:
        shown = host.rpartition("@")[2]
        text = f"the host {shown!r} is not this server: ask for localhost or its address, or add the name to "
        assert answer.endswith(f"\r\n\r\n{text}ingest.allowed_hosts\n".encode())
    await client.leave()


@pytest.mark.parametrize("lines", ["", "Host: localhost\r\nHost: evil.example\r\n"])
async def test_a_request_has_one_host_header(server: IngestServer, lines: str) -> None:
    client = await connect(server.port)
    await client.send(f"GET /health HTTP/1.0\r\n{lines}\r\n".encode())
    assert (await client.read_message()).startswith(b"HTTP/1.0 400 Bad Request\r\n")
    await client.leave()


@pytest.mark.parametrize("changes", [{"allowed_hosts": ("logs.example",)}])
@pytest.mark.parametrize(
    ("origin", "host", "is_taken"),
    [
        ("http://localhost:8080", "localhost:8080", True),
        ("HTTP://LOCALHOST:8080", "localhost:8080", True),
        ("http://logs.example", "logs.example", True),
        ("https://logs.example", "logs.example", True),  # a proxy in front adds the TLS
        ("http://localhost:3000", "localhost:8080", False),
        ("http://127.0.0.1:8080", "localhost:8080", False),
        ("http://evil.example", "localhost:8080", False),
        ("http://localhost:8080.evil.example", "localhost:8080", False),
        ("http://user:password@localhost:8080", "localhost:8080", False),
        ("ftp://localhost:8080", "localhost:8080", False),
        ("null", "localhost:8080", False),
        ("", "localhost:8080", False),
    ],
)
async def test_requests_of_pages_of_other_origins_are_refused(
    client: aiohttp.ClientSession, origin: str, host: str, is_taken: bool
) -> None:
    status, text = await ask(client, "GET", "/metrics", [("Origin", origin), ("Host", host)])
    assert status == (200 if is_taken else 403)
    if not is_taken:
        assert text == f"requests from pages of {origin.rpartition('@')[2]} are refused\n"


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
async def test_other_sites_cannot_embed_what_it_serves(
    client: aiohttp.ClientSession, site: str, mode: str, status: int
) -> None:
    headers = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)]
    assert (await ask(client, "GET", "/metrics", headers))[0] == status


async def test_no_origin_is_ever_let_in_by_cors(client: aiohttp.ClientSession) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}
    for method, path in (("OPTIONS", f"/{ID}/request"), ("GET", "/metrics")):
        async with client.request(method, path, headers=headers) as reply:
            assert reply.status == 403
            assert not [name for name in reply.headers if name.lower().startswith("access-control-")]


# --- what every answer carries

ANSWERS = [
    (200, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (200, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n"),
    (200, b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (201, b"PUT /%b/request HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" % ID.encode()),
    (400, b"GET /<script>alert(1)</script> HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization sk-malformed\r\n\r\n"),
    (400, b"<script>alert(1)</script>\r\n\r\n"),
    (400, b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 9000)),
    (400, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: 1\r\n" * 200 + b"\r\n"),
    (403, b"GET / HTTP/1.1\r\nHost: <script>\r\n\r\n"),
    (405, b"DELETE /health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (409, b"PUT /v1/journals/%b/7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" % JOURNAL.encode()),
]


@pytest.mark.parametrize(("status", "request_"), ANSWERS)
async def test_every_answer_is_no_page_and_stays_nowhere(server: IngestServer, status: int, request_: bytes) -> None:
    client = await connect(server.port)
    await client.send(request_)
    head = await client.read_until(b"\r\n\r\n")
    assert head[8:13] == b" %d " % status
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    assert fields[b"Content-Security-Policy"] == (
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert fields[b"X-Content-Type-Options"] == b"nosniff"
    assert fields[b"Referrer-Policy"] == b"no-referrer"
    assert fields[b"Cache-Control"] == b"no-store"
    assert fields[b"Cross-Origin-Resource-Policy"] == b"same-origin"
    assert b"html" not in fields[b"Content-Type"]
    assert b"sk-malformed" not in head
    await client.leave()
