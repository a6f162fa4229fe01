"""The console's lines, exactly."""

import json
import re
from typing import Any

import pytest

from recorder.settings import Console
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok

BODY = b"x" * 18_234
WHEN = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


async def some_exchanges(flight: Flight, form: str) -> int:
    async with ScriptedUpstream(answers(ok(BODY))) as upstream:
        routes = to(upstream.port), to(upstream.port, "quiet", log=False)
        await flight.start(*routes, console=Console(format=form))  # type: ignore[arg-type]
        for path in (b"/lm/v1/chat?key=sk-secret&x=1", b"/quiet/x", b"/unknown", b"/lm/\x1b[2Jx\x9b31m\r", b"/lm"):
            client = await flight.connect()
            await client.send(b"POST %b HTTP/1.1\r\nHost: recorder.test\r\nContent-Length: 0\r\n\r\n" % path)
            await client.read_message()
            await client.leave()
        await flight.land()
        return upstream.port


async def test_text_lines(flight: Flight, capfd: pytest.CaptureFixture[str]) -> None:
    port = await some_exchanges(flight, "text")
    lines = capfd.readouterr().out.splitlines()
    chat = r"/v1/chat\?key=\[secret:\w{8}\]&x=1"
    took = r"\d\.\d\ds"
    expected = [
        rf"{WHEN} \[(\w{{8}})\] POST /lm{chat} -> http://127\.0\.0\.1:{port}{chat} \[log\]",
        rf"{WHEN} \[(\w{{8}})\] 200 {took} 18\.3 kB \(first byte \d+ ms\)",
        rf"{WHEN} \[(\w{{8}})\] POST /quiet/x -> http://127\.0\.0\.1:{port}/x \[no-log\]",
        rf"{WHEN} \[(\w{{8}})\] 200 {took} 18\.3 kB \(first byte \d+ ms\)",
        rf"{WHEN} \[(\w{{8}})\] POST /unknown -> NOT_FOUND \[log\]",
        rf"{WHEN} \[(\w{{8}})\] 404 {took} \d+ B \(first byte \d+ ms\)",
        rf"{WHEN} \[(\w{{8}})\] POST /lm/\\x1b\[2Jx\\x9b31m.* -> REFUSED \[log\]",
        rf"{WHEN} \[(\w{{8}})\] 400 {took} \d+ B \(first byte \d+ ms\) bad_request",
        rf"{WHEN} \[(\w{{8}})\] POST /lm -> REDIRECT \[log\]",
        rf"{WHEN} \[(\w{{8}})\] 308 {took} \d+ B \(first byte \d+ ms\)",
        r"recorded 4 exchanges, \d+\.\d kB; lost 0",
    ]
    assert len(lines) == len(expected)
    matches = [re.fullmatch(pattern, line) for pattern, line in zip(expected, lines, strict=True)]
    assert [line for line, match in zip(lines, matches, strict=True) if match is None] == []
    ids = [match[1] for match in matches[:-1] if match is not None]
    assert ids[::2] == ids[1::2]


async def test_json_lines(flight: Flight, capfd: pytest.CaptureFixture[str]) -> None:
    port = await some_exchanges(flight, "json")
    text = capfd.readouterr().out
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["started", "finished"] * 5 + ["stopped"]
    started, finished = lines[0], lines[1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", started["time"])
    assert started["id"] == finished["id"]
    assert started["method"] == "POST"
    assert re.fullmatch(r"/lm/v1/chat\?key=\[secret:\w{8}\]&x=1", started["path"])
    assert started["upstream_url"].startswith(f"http://127.0.0.1:{port}/v1/chat?key=[secret:")
    assert [line["log"] for line in lines[:-1:2]] == [True, False, True, True, True]
    assert [line.get("answer") for line in lines[:-1:2]] == [None, None, "NOT_FOUND", "REFUSED", "REDIRECT"]
    assert finished["status"] == 200
    assert finished["error"] is None
    assert finished["response_bytes"] == len(ok(BODY))
    assert finished["duration_ms"] >= finished["first_byte_ms"] >= 0
    assert lines[7]["error"] == "bad_request"
    assert "\x1b" not in text


async def test_a_console_that_is_off_says_nothing(flight: Flight, capfd: pytest.CaptureFixture[str]) -> None:
    await flight.start(console=Console(enabled=False))
    await flight.send(b"GET /unknown HTTP/1.1\r\nHost: recorder.test\r\n\r\n")
    await flight.land()
    assert capfd.readouterr().out == ""
