"""What an SDK said through the recorder, handed on: its request sent again by curl, its answer in HAR."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from cli import recorder
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok

KEY = "sk-proj-4242424242"
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Grüße!"}, "finish_reason": "stop"}
ANSWER = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}).encode()
SAID: list[Any] = [{"role": "user", "content": 'It\'s "$HOME" `here` \\ — 你好'}]


def exported(*arguments: str) -> bytes:
    done = CliRunner().invoke(recorder, ["export", *arguments])
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout_bytes


async def test_curl_sends_an_sdks_request_again_line_for_line_and_byte_for_byte(flight: Flight, tmp_path: Path) -> None:
    import openai

    async with ScriptedUpstream(answers(ok(ANSWER, b"Content-Type: application/json"))) as upstream:
        await flight.start(to(upstream.port, provider="openai"))
        url = f"http://127.0.0.1:{flight.port}/lm/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
            await client.chat.completions.create(model="m", messages=SAID)
        await flight.land()
        script = await asyncio.to_thread(exported, str(flight.log_dir), "--format", "curl")
        assert KEY.encode() not in script
        assert b"# reads $OPENAI_API_KEY\n" in script
        (tmp_path / "again.sh").write_bytes(script)
        ran = await asyncio.to_thread(
            subprocess.run,
            ["sh", str(tmp_path / "again.sh")],
            env={"PATH": os.environ["PATH"], "OPENAI_API_KEY": KEY},
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert (ran.returncode, ran.stdout) == (0, ANSWER)
        first, again = (bytes(peer.received).partition(b"\r\n\r\n") for peer in upstream.peers)
    assert again[2] == first[2]
    assert sorted(again[0].split(b"\r\n")) == sorted(first[0].split(b"\r\n"))
    (entry,) = json.loads(await asyncio.to_thread(exported, str(flight.log_dir), "--format", "har"))["log"]["entries"]
    assert entry["request"]["postData"]["text"].encode() == first[2]
    assert entry["response"]["content"]["text"].encode() == ANSWER
