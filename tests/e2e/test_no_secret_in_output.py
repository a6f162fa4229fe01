"""Both services as processes, a secret of its own in every place where one can be: none of them comes out anywhere.

Searched are all files (journal segments included) while the services run and afterwards, stdout and stderr with
`--log-level debug`, the live feed, every page, every answer of the ingest server, the text of every answer of the
recorder's own, and what the commands that read recordings print.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.commands.conftest import environment, free_ports
from tests.e2e.scripted import Peer, ScriptedUpstream, connect, until
from tests.e2e.service import ROOT
from tests.ingest_server.recorder_side import JOURNAL
from traffic.capture.redact import SECRET_FIELDS, SECRET_PARAMETERS
from traffic.keys import hash_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MARK = "zqs9"  # in every secret, and nowhere else
CLIENT_KEY, LINK_KEY, READER_KEY = (f"{MARK}-{name}-0123456789" for name in ("client", "link", "reader"))
BROKEN = f"{MARK}-broken-0123456789"


class Secrets:
    """Makes them; each tells its place."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, place: str) -> str:
        self.made.append(f"{MARK}{len(self.made):04d}{place}")
        return self.made[-1]


def odd_case(name: str) -> str:
    return "".join(letter.upper() if place % 2 else letter for place, letter in enumerate(name))


def in_fields(secret: Secrets) -> Iterator[str]:
    """Header lines."""
    for name in sorted(field.decode() for field in SECRET_FIELDS):
        yield f"{odd_case(name)}: {secret('field')}"
        yield f"{name}:\t Bearer {secret('field')}, {secret('second')}  "
    yield f"Cookie: a={secret('cookie')}; b={secret('cookie')}"
    yield f"Referer: https://u:{secret('referer')}@h/?key={secret('referer')}#access_token={secret('fragment')}"
    yield f"Link: </?token={secret('link')}>; rel=next, <//x:{secret('link')}@h/>"


def in_targets(secret: Secrets) -> Iterator[str]:
    """Targets."""
    for name in sorted(parameter.decode() for parameter in SECRET_PARAMETERS):
        encoded = "".join(f"%{ord(letter):02X}" for letter in name)
        yield f"/?{odd_case(name)}={secret('query')}&x=1&{name}={secret('again')}"
        yield f"/p?a=b;{encoded}={secret('encoded')}"
        yield f"/p?url=https://x/?{name}={secret('nested')}"
        inner = f"https://u:{secret('inner')}@x/?{name}={secret('inner')}&b=c"
        yield f"/p?url={quote(inner, safe='')}"
        yield f"/p?url={quote(quote(f'//x/?{name}=', safe='') + secret('twice'), safe='')}"


def requests(secret: Secrets) -> Iterator[str]:
    """Whole requests, for a recorder that is called with its key."""
    key = f"Host: recorder.test\r\nConnection: close\r\nx-recorder-key: {CLIENT_KEY}\r\n"
    lines = "".join(f"{line}\r\n" for line in in_fields(secret))
    for route in ("/lm", "/quiet", "/refused", "/proxied", "/nowhere"):
        yield f"GET {route}/ HTTP/1.1\r\n{key}{lines}\r\n"
        for target in in_targets(secret):
            yield f"GET {route}{target} HTTP/1.1\r\n{key}\r\n"
    yield f"GET /lm?key={secret('redirect')} HTTP/1.1\r\n{key}\r\n"
    yield f"GET http://recorder.test/lm/?token={secret('absolute')} HTTP/1.1\r\n{key}\r\n"
    yield f"GET /lm/bad-head?key={secret('bad')} HTTP/1.1\r\n{key}\r\n"
    yield f"GET /lm/cut-head?key={secret('cut')} HTTP/1.1\r\n{key}\r\n"
    chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
    yield f"POST /lm/ HTTP/1.1\r\n{key}{chunked}X-Api-Key: {secret('trailer')}\r\nCookie: {secret('trailer')}\r\n\r\n"
    yield f"POST /lm/ HTTP/1.1\r\n{key}{chunked}X-Api-Key: {secret('trailer')}\r\nCookie: {secret('cut')}"


def websockets(secret: Secrets) -> Iterator[str]:
    head = (
        "GET /lm/ws HTTP/1.1\r\nHost: recorder.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nx-recorder-key: {CLIENT_KEY}\r\n"
    )
    name = "Sec-WebSocket-Protocol"
    yield f"{head}{name}: realtime, openai-insecure-api-key.{secret('part')}, openai-beta.realtime-v1\r\n\r\n"
    yield f"{head}{name}: access_token, {secret('item')}\r\n\r\n"
    yield f"{head}{name}: Bearer\r\n{odd_case(name)}: {secret('line')}\r\n\r\n"
    yield f"{head}{name}: sk-{secret('openai')},token.{secret('token')}\r\n\r\n"


def refused_heads(secret: Secrets) -> Iterator[str]:
    """Which the recorder cannot read; each ends its connection."""
    start = "GET /lm/ HTTP/1.1\r\nHost: recorder.test\r\n"
    yield f"{start}Authorization: Bearer\r\n {secret('folded')}\r\n\t{secret('folded')}\r\n\r\n"
    yield f"{start}Authorization : {secret('space')}\r\n\r\n"
    yield f"{start}Authorization Bearer {secret('colon')}\r\n\r\n"
    yield f"{start}X-Api-Key\0: {secret('nul')}\r\n\r\n"
    yield f"{start}X-Api-Key: {secret('lf')}\nCookie: {secret('lf')}\r\n\r\n"
    yield f"{start}X-Api-Key: {secret('cr')}\rCookie: {secret('cr')}\r\n\r\n"
    yield f"{start}Sec-WebSocket-Protocol: access_token,\r\n {secret('folded')}\r\n\r\n"
    yield f"GET /lm/?key={secret('host')} HTTP/1.1\r\nHost: u:{secret('host')}@recorder.test\r\n\r\n"
    yield f"GET /lm/?key={secret('version')} HTTP/3.0\r\nCookie: {secret('version')}\r\n\r\n"
    yield f"GET http://u:{secret('user')}@recorder.test/lm/ HTTP/1.1\r\nHost: recorder.test\r\n\r\n"
    yield f"CONNECT u:{secret('connect')}@h:443 HTTP/1.1\r\nHost: recorder.test\r\n\r\n"
    yield f"Authorization: {secret('start')}\r\n\r\n"
    yield f"{start}Content-Length: 1\r\nContent-Length: 2\r\nCookie: {secret('lengths')}\r\n\r\n"
    yield f"{start}Authorization: {secret('nokey')}\r\n\r\n"
    yield f"{start}x-recorder-key: {secret('wrong')}\r\n\r\n"
    yield f"GET /broken/?key={BROKEN} HTTP/1.1\r\nHost: recorder.test\r\nx-recorder-key: {CLIENT_KEY}\r\n\r\n"


def to_ingest(secret: Secrets) -> Iterator[str]:
    """Requests to the ingest server."""
    key = f"Host: localhost\r\nConnection: close\r\nx-recorder-key: {READER_KEY}\r\n"
    wrong = "Host: localhost\r\nConnection: close\r\n"
    for place, lines in enumerate((list(in_fields(secret)), [])):
        targets = [] if lines else list(in_targets(secret))
        for number, target in enumerate(targets or ["/"]):
            exchange = f"092d04{place}{number % 10}-1b2c-4d3e-8f40-5a6b7c8d{number:04d}"
            head = "\r\n".join([f"GET {target} HTTP/1.1", "Host: x", *lines, "", ""])
            yield f"PUT /{exchange}/request HTTP/1.1\r\n{key}Content-Length: {len(head)}\r\n\r\n{head}"
            head = "\r\n".join(["HTTP/1.1 200 OK", f"Set-Cookie: {secret('door')}", *lines, "", ""])
            yield f"PUT /{exchange}/response HTTP/1.1\r\n{key}Content-Length: {len(head)}\r\n\r\n{head}"
    for path in ("/health", "/health/detailed", "/v1/ledger", f"/nowhere?key={secret('path')}"):
        yield f"GET {path} HTTP/1.1\r\n{key}\r\n"
    yield f"GET /metrics HTTP/1.1\r\n{key}Cookie: {BROKEN}\r\n\r\n"
    yield f"PUT /v1/journals/{JOURNAL}/0 HTTP/1.1\r\n{wrong}Authorization: Bearer {secret('link')}\r\n\r\n"
    yield f"GET /metrics HTTP/1.1\r\n{wrong}x-recorder-key: {secret('wrong')}\r\n\r\n"
    yield f"GET /health HTTP/1.1\r\nHost: u:{secret('host')}@x\r\nConnection: close\r\n\r\n"
    yield f"GET /health HTTP/1.1\r\n{key}Origin: http://u:{secret('origin')}@x\r\n\r\n"
    yield f"GET /health HTTP/1.1\r\n{key}Authorization {secret('colon')}\r\n\r\n"
    yield f"GET /health HTTP/1.1\r\n{key}X-Api-Key: {secret('nul')}\0\r\n\r\n"
    yield f"{secret('method')} /?key={secret('method')} HTTP/1.1\r\n{key}\r\n"


class Upstream:
    """Answers with secrets of its own, in heads that are right, broken or cut."""

    def __init__(self, secret: Secrets) -> None:
        self._secret = secret

    async def __call__(self, peer: Peer) -> None:
        secret = self._secret
        while True:
            try:
                head = (await peer.read_until(b"\r\n\r\n")).lower()
                if b"transfer-encoding: chunked" in head:
                    await peer.read_until(b"\r\n0\r\n")
                    await peer.read_until(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if b"/bad-head" in head:
                await peer.send(f"HTTP/1.1 200 OK\r\nSet-Cookie {secret('upstream')}\r\n\r\n".encode())
                return
            if b"/cut-head" in head:
                await peer.send(f"HTTP/1.1 200 OK\r\nSet-Cookie: {secret('upstream')}".encode())
                return
            if b"upgrade: websocket" in head:
                switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                await peer.send(f"{switch}Sec-WebSocket-Protocol: token.{secret('upstream')}\r\n\r\n".encode())
                return
            await peer.send(
                f"HTTP/1.1 200 OK\r\nSet-Cookie: {secret('upstream')}; Path=/\r\nset-cookie:{secret('upstream')}\r\n"
                f"Location: //u:{secret('upstream')}@h/#token={secret('upstream')}\r\n"
                f"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nSet-Cookie: {secret('upstream')}\r\n\r\n".encode()
            )


@asynccontextmanager
async def running(folder: Path, *names: str) -> "AsyncIterator[None]":
    """The services of that name; what they print goes to files."""
    processes = []
    for name in names:
        with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
            arguments = ["--log-level", "debug", name, "--config", str(folder / "config.yaml")]
            command = [sys.executable, "-m", "tests.e2e.broken_service", *arguments]
            environ = environment(NO_PROXY="127.0.0.1")
            processes.append(
                await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=out, stderr=err)
            )
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            await asyncio.wait_for(process.wait(), 30)


async def command(folder: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "cli.py"), "--log-level", "debug", *arguments, cwd=folder, env=environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return out.decode("latin-1")


def configure(folder: Path, upstream_port: int) -> tuple[int, int]:
    port, ingest_port, closed_port, proxy_port = free_ports(4)
    (folder / "config.yaml").write_text(
        f"server: {{port: {port}, grace_s: 0, keys: {{c: {CLIENT_KEY}}}}}\n"
        f"ingest: {{port: {ingest_port}, keys: {{r: '{hash_key(READER_KEY)}'}}}}\n"
        f'logging: {{server_url: "http://localhost:{ingest_port}"}}\n'
        f"capture: {{link_key: {LINK_KEY}}}\n"
        f'http_client: {{proxy_url: "http://user:{MARK}-proxy@127.0.0.1:{proxy_port}"}}\n'
        "routes:\n"
        f'  lm: {{pattern: /lm/, destination: "http://127.0.0.1:{upstream_port}/", key: {MARK}-route}}\n'
        f'  quiet: {{pattern: /quiet/, destination: "http://127.0.0.1:{upstream_port}/", logging: false}}\n'
        f'  refused: {{pattern: /refused/, destination: "http://127.0.0.1:{closed_port}/"}}\n'
        '  proxied: {pattern: /proxied/, destination: "http://far.example/"}\n'
    )
    return port, ingest_port


def contents(folder: Path) -> dict[str, bytes]:
    kept = {path for path in folder.rglob("*") if path.is_file() and path.name not in ("config.yaml", "redaction.key")}
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def with_secret(found: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """Names and what stands around the first secret."""
    places = {name: data.find(MARK.encode()) for name, data in found.items()}
    return [(name, found[name][max(0, at - 80) : at + 40]) for name, at in places.items() if at >= 0]


async def ask(port: int, request: str, *, ends: bool = False) -> bytes:
    """All that comes back. `ends`: the client ends its side behind the request."""
    client = await connect(port)
    await client.send(request.encode("latin-1"))
    if ends:
        client.end()
    try:
        return await client.read_to_end()
    except ConnectionError:
        return bytes(client.received)
    finally:
        await client.leave()


async def in_two_reads(port: int, request: str) -> None:
    """Each cut of it on a connection of its own; the recorder has read the beginnings when it answers /health."""
    clients = [await connect(port) for _ in range(1, len(request))]
    for place, client in enumerate(clients, 1):
        await client.send(request[:place].encode())
    health = f"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-recorder-key: {CLIENT_KEY}\r\n\r\n"
    assert (await ask(port, health)).startswith(b"HTTP/1.1 200 ")
    for place, client in enumerate(clients, 1):
        await client.send(request[place:].encode())
        await client.read_until(b"\r\n\r\n")
    for client in clients:
        await client.leave()


async def test_no_secret_comes_out_anywhere(tmp_path: Path) -> None:
    secret = Secrets()
    outputs: dict[str, bytes] = {}
    async with ScriptedUpstream(Upstream(secret)) as upstream:
        port, ingest_port = configure(tmp_path, upstream.port)
        async with running(tmp_path, "ingest", "proxy"):
            await until(lambda: "listens" in (tmp_path / "ingest.out").read_text(), "the ingest server listens")
            await until(lambda: "sent to" in (tmp_path / "proxy.out").read_text(), "the recorder listens")
            live = await connect(ingest_port)
            await live.send(
                f"GET /v1/live HTTP/1.1\r\nHost: localhost\r\nx-recorder-key: {READER_KEY}\r\n\r\n".encode()
            )
            await live.read_until(b": listening")
            for request in requests(secret):
                answer = await ask(port, request, ends=True)
                if b"\r\nX-Content-Type-Options:" in answer:  # the recorder's own
                    outputs[f"answer to {request[:60]}"] = answer.partition(b"\r\n\r\n")[2]
            for request in [*websockets(secret), *refused_heads(secret)]:
                answer = await ask(port, request, ends=True)
                outputs[f"answer to {request[:60]}"] = answer if b" 101 " not in answer else b""
            head = f"GET /lm/?key={secret('split')} HTTP/1.1\r\nHost: x\r\nx-recorder-key: {CLIENT_KEY}\r\n"
            await in_two_reads(port, f"{head}Cookie: {secret('split')}\r\n\r\n")
            for path in ("/health", "/metrics", "/health/detailed"):
                own = f"Host: localhost\r\nConnection: close\r\nx-recorder-key: {CLIENT_KEY}\r\n\r\n"
                outputs[path] = await ask(port, f"GET {path} HTTP/1.1\r\n{own}")
            for request in to_ingest(secret):
                outputs[f"ingest: {request[:60]}"] = await ask(ingest_port, request)
            outputs |= {f"running: {name}": data for name, data in contents(tmp_path).items()}
            await live.read_until(b"event: finished")
            live.close()
            outputs["live"] = bytes(live.received) + await live.reader.read()
        outputs |= contents(tmp_path)
    for arguments in (["check"], ["verify"], ["show", *map(str, sorted((tmp_path / "logs").glob("*.*")))]):
        outputs[" ".join(arguments)[:20]] = (await command(tmp_path, *arguments)).encode("latin-1")
    assert len(secret.made) > 300
    leaks = with_secret(outputs)
    assert not leaks, "\n".join(f"{name}: {around!r}" for name, around in leaks)
    errors = outputs["proxy.err"] + outputs["ingest.err"]
    assert errors.count(b"RuntimeError") >= 2, "the faults were met and told"
    assert b"tests/e2e/broken_service.py" in errors, "with the place they came from"
    assert len(list((tmp_path / "logs").glob("*_metadata.json"))) > 300


async def test_errors_of_the_configuration_show_no_secret(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        f"server: {{keys: {{a: {MARK}, b: 'sha256:{MARK}', c: ['{MARK}-0123456789abc']}}}}\n"
        f"ingest: {{keys: {{d: '{MARK} with a space 0123'}}, link_keys: '{MARK}-0123456789abc'}}\n"
        f"capture: {{link_key: 'sha256:{MARK}'}}\n"
        f'logging: {{server_url: "http://u:{MARK}@localhost/"}}\n'
        f'http_client: {{proxy_url: "ftp://u:{MARK}@h/"}}\n'
        f'routes: {{x: {{pattern: /x/, destination: "https://u:{MARK}@h/?key={MARK}", key: "{MARK} with a space"}}}}\n'
    )
    out = await command(tmp_path, "check")
    assert out.count("config.yaml:") >= 8
    assert MARK not in out
