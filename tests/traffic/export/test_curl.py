"""traffic/export/curl.py: the commands, run by a shell, send what was recorded."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scripted import ScriptedUpstream, answers, ok
from tests.traffic.export.made import export, numbered
from tests.traffic.llm.example import Example, raw
from traffic.capture.exchange import RecordedExchange
from traffic.export.sent_request import NOTHING_TO_SEND
from traffic.http1.content import dechunk

SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]
NOISY = 'it\'s "quoted" $HOME `id` \\ \\n ! é 你 @file\nsecond line\ttab'


def recorded(head: str, body: bytes = b"", **facts: Any) -> RecordedExchange:
    """`head`: LF for line ends; its lines as latin-1."""
    stored = head.replace("\n", "\r\n").encode("latin-1") + b"\r\nX-Proxy-Path: http://r/x\r\n\r\n" + body
    exchange = raw(Example("/", None, b"{}"))._replace(request=stored)
    return numbered(1, exchange, method=head.partition(" ")[0], **facts)


def post(body: bytes, *lines: str, target: str = "/v1/chat/completions") -> RecordedExchange:
    head = [f"POST {target} HTTP/1.1", "Host: UPSTREAM", *lines, f"Content-Length: {len(body)}"]
    return recorded("\n".join(head), body, upstream_url=f"http://UPSTREAM{target}")


async def sent(folder: Path, exchange: RecordedExchange, shell: str = "sh", **environment: str) -> bytes:
    """What an upstream gets when the exchange's command runs."""
    async with ScriptedUpstream(answers(ok())) as upstream:
        (script, left_out) = export("curl", exchange)
        assert not left_out
        file = folder / "export.sh"
        file.write_bytes(script.replace(b"UPSTREAM", f"127.0.0.1:{upstream.port}".encode()))
        ran = await asyncio.to_thread(
            subprocess.run,
            [shell, str(file)],
            env={"PATH": os.environ["PATH"], **environment},
            cwd=folder,
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert ran.returncode == 0, ran
        (peer,) = upstream.peers
        return bytes(peer.received).replace(f"127.0.0.1:{upstream.port}".encode(), b"UPSTREAM")


def parts(request: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The first line, the header lines without the recorder's, in order of the alphabet, and the body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, sorted(line for line in lines if not line.startswith(b"X-Proxy-Path")), body


BODIES = {
    "JSON": json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}).encode(),
    "what a shell would read": NOISY.encode(),
    "begins with @": b"@/etc/hostname",
    "ends in line feeds": b"text\n\n",
    "line ends of the network": b"one\r\ntwo\r\n",
    "no UTF-8": b"\xff\xfe\x00binary\n\x80",
    "NUL": b'{"a": "\x00"}',
    "larger than an argument may be": b"x" * 300_000,
    "so large that curl would ask first": b"y" * 1_500_000,
    "the end of a here-document": b"\xffEND\nEND\n",
    "empty": b"",
}


@pytest.mark.parametrize("name", BODIES)
async def test_the_same_head_and_the_same_bytes_of_the_body_arrive(name: str, tmp_path: Path) -> None:
    exchange = post(BODIES[name], "Content-Type: application/json", "Accept: */*", "User-Agent: OpenAI/Python 2.0")
    assert parts(await sent(tmp_path, exchange)) == parts(exchange.request)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("body", [NOISY.encode(), b"\xff\x00"])
async def test_every_shell_of_posix_reads_the_same(shell: str, body: bytes, tmp_path: Path) -> None:
    exchange = post(
        body, "X-Noise: " + NOISY.partition("\n")[0].encode().decode("latin-1"), "Authorization: Bearer KEY"
    )
    received = parts(await sent(tmp_path, exchange, shell, AUTHORIZATION="KEY"))
    assert received == parts(exchange.request)


HEADS = {
    "lines that curl adds are not added": ["POST /x HTTP/1.1", "Host: UPSTREAM", "Content-Length: 2"],
    "another host": ["POST /x HTTP/1.1", "Host: api.example.com", "Content-Length: 2"],
    "empty and repeated lines": ["POST / HTTP/1.1", "Host: UPSTREAM", "X-E:", "x-a: 1", "x-a: 2", "Content-Length: 2"],
    "a target with what curl would expand": [
        "PUT /a/../b?x={1,2}&y=[1-3] HTTP/1.1",
        "Host: UPSTREAM",
        "Content-Length: 2",
    ],
    "bytes beyond ASCII": ["PATCH /%C3%A9 HTTP/1.1", "Host: UPSTREAM", "X-Name: caf\xe9 \xc3\xa9", "Content-Length: 2"],
    "a body of GET": ["GET /x HTTP/1.1", "Host: UPSTREAM", "Content-Length: 2"],
    "no body": ["GET /x HTTP/1.1", "Host: UPSTREAM", "Accept-Encoding: gzip, deflate"],
    "DELETE": ["DELETE /x HTTP/1.1", "Host: UPSTREAM"],
    "HEAD": ["HEAD /x HTTP/1.1", "Host: UPSTREAM"],
    "OPTIONS": ["OPTIONS /x HTTP/1.1", "Host: UPSTREAM"],
    "POST without a body": ["POST /x HTTP/1.1", "Host: UPSTREAM"],
}


@pytest.mark.parametrize("name", HEADS)
async def test_heads_arrive_as_they_were_recorded(name: str, tmp_path: Path) -> None:
    lines = HEADS[name]
    target = lines[0].split(" ")[1]
    body = b"{}" if "Content-Length: 2" in lines else b""
    exchange = recorded("\n".join(lines), body, upstream_url=f"http://UPSTREAM{target}")
    assert parts(await sent(tmp_path, exchange)) == parts(exchange.request)


async def test_a_chunked_body_is_sent_in_chunks(tmp_path: Path) -> None:
    head = "POST /x HTTP/1.1\nHost: UPSTREAM\nTransfer-Encoding: chunked"
    exchange = recorded(head, b"2\r\n{}\r\n3\r\n\xff\x00!\r\n0\r\n\r\n", upstream_url="http://UPSTREAM/x")
    first, lines, body = parts(await sent(tmp_path, exchange))
    assert (first, lines) == parts(exchange.request)[:2]
    assert dechunk(body) == b"{}\xff\x00!"


async def test_a_compressed_body_goes_as_it_went(tmp_path: Path) -> None:
    packed = raw(Example("/x", {"a": 1}, b"{}"), "zstd").request.partition(b"\r\n\r\n")[2]
    exchange = post(packed, "Content-Encoding: zstd")
    assert parts(await sent(tmp_path, exchange)) == parts(exchange.request)


SECRET = "[secret:0123abcd]"
KEYS = {  # the provider, the line or the target with the secret
    "OPENAI_API_KEY": ("openai", f"Authorization: Bearer {SECRET}", "/v1/x"),
    "ANTHROPIC_API_KEY": ("anthropic", f"x-api-key: {SECRET}", "/v1/x"),
    "OPENROUTER_API_KEY": ("openrouter", f"Authorization: Bearer {SECRET}", "/v1/chat/completions"),
    "GEMINI_API_KEY": ("google", "X-Other: 1", f"/v1/x?a=1&key={SECRET}&b=2"),
    "X_AI_API_KEY": ("x-ai", f"Authorization: {SECRET}", "/v1/chat/completions"),
    "AUTHORIZATION": (None, f"Authorization: Bearer {SECRET}", "/v1/x"),
    "X_API_KEY": (None, f"x-api-key: {SECRET}", "/v1/x"),
    "COOKIE": ("openai", f"Cookie: {SECRET}", "/v1/x"),
    "ACCESS_TOKEN": (None, "X-Other: 1", f"/v1/x?access_token={SECRET}"),
}


@pytest.mark.parametrize("variable", KEYS)
async def test_a_secret_is_read_from_a_variable_with_the_providers_or_the_headers_name(
    variable: str, tmp_path: Path
) -> None:
    provider, line, target = KEYS[variable]
    exchange = post(b'{"model": "m", "messages": []}', line, target=target)
    exchange = numbered(1, exchange, provider=provider)
    script = export("curl", exchange)[0].decode()
    assert f"# reads ${variable}\n" in script
    assert SECRET not in script
    received = parts(await sent(tmp_path, exchange, **{variable: 'sk-1"$x`'}))
    assert received[0] == f"POST {target} HTTP/1.1".replace(SECRET, 'sk-1"$x`').encode()
    assert line.replace(SECRET, 'sk-1"$x`').encode() in received[1]


def test_keys_that_a_recording_holds_unredacted_become_variables_as_well() -> None:
    script = export("curl", post(b"{}", "Authorization: Bearer sk-real", target="/x?key=AIzaReal"))[0].decode()
    assert "real" not in script.lower()
    assert '"Authorization: Bearer ${AUTHORIZATION}"' in script
    assert '"http://UPSTREAM/x?key=${KEY}"' in script


def test_a_url_is_no_option_for_curl() -> None:
    exchange = numbered(1, post(b"{}"), upstream_url="-K/etc/x://y")
    assert b"\ncurl http://UPSTREAM/-K/etc/x://y \\\n" in export("curl", exchange)[0]


def test_what_cannot_be_sent_is_left_out_and_counted() -> None:
    websocket = "GET /x HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket"
    cut = post(b"whole")
    exchanges = [
        recorded(websocket),
        cut._replace(request=cut.request[:-1]),
        cut._replace(request=b"GET / HT"),
        cut._replace(request=b"\x00\r\n\r\n"),
    ]
    assert export("curl", *exchanges) == (b"#!/bin/sh\n", {NOTHING_TO_SEND: 4})
