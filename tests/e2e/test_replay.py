"""recorder replay through real recorders and ingest servers: what was recorded is sent again, recorded, and linked."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import openai

from recorder.settings import Capture
from tests.commands.conftest import CLI
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok, until
from tests.e2e.test_decoded import decoded
from traffic.capture.vault import Vault

KEY = "sk-the-key-of-the-client-4242"
GET = b"GET /lm/v1/models?key=%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Api-Key: %b\r\nCookie: a=b\r\n\r\n"


async def replay(folder: Path, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CLI),
        "replay",
        *arguments,
        cwd=folder,
        env={**kept, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_replay_is_recorded_as_the_original_was_and_names_it(flight: Flight, tmp_path: Path) -> None:
    """Found by its file alone: without a server, an index or a configuration."""
    async with ScriptedUpstream(answers(ok(b"first"), ok(b"second"))) as upstream:
        await flight.start(to(upstream.port))
        await flight.send(b"GET /lm/x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Odd:  1 \r\n\r\n" % flight.port)
        (request,) = await recorded(flight.log_dir, 1)
        code, out, err = await replay(tmp_path, str(request))
        assert (code, out) == (0, "second\n"), err
        original, repeated = await flight.land()
        assert repeated.metadata["replay_of"] == original.metadata["id"]
        assert repeated.request == original.request
        assert bytes(upstream.peers[0].received) == original.sent_request * 2
        assert err.splitlines()[0].startswith(f"-- GET {original.proxy_path}, ")


async def test_a_recording_goes_directly_and_elsewhere_without_a_trace_of_the_recorder(
    flight: Flight, tmp_path: Path
) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream, ScriptedUpstream(answers(ok())) as other:
        await flight.start(to(upstream.port))
        await flight.send(b"GET /lm/v1/x HTTP/1.1\r\nHost: a\r\n\r\n")
        (record,) = await flight.land()
        request = str(flight.log_dir / f"{record.stem}_request.bin")
        (tmp_path / "config.yaml").write_text(
            f'routes: {{two: {{pattern: /two/, destination: "http://127.0.0.1:{other.port}/v1/"}}}}\n'
        )
        for arguments in (["--direct"], ["--to", "two"], ["--to", f"http://127.0.0.1:{other.port}"]):
            assert (await replay(tmp_path, request, *arguments))[:2] == (0, "fine\n")
        assert bytes(upstream.peers[0].received) == record.sent_request
        assert bytes(upstream.peers[1].received) == record.sent_request
        expected = record.sent_request.replace(b":%d" % upstream.port, b":%d" % other.port)
        assert [bytes(peer.received) for peer in other.peers] == [expected, expected]


async def test_the_owner_replays_what_the_vault_keeps_and_nobody_else_can(flight: Flight, tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite", tmp_path / "key" / "vault.key")
    config = tmp_path / "config.yaml"
    async with ScriptedUpstream(answers(ok(), ok())) as upstream, ScriptedUpstream(answers(ok())) as other:
        await flight.start(to(upstream.port), capture=Capture(vault=vault))
        await flight.send(GET % (KEY.encode(), flight.port, KEY.encode()))
        (request,) = await recorded(flight.log_dir, 1)
        config.write_text(
            f"server: {{port: {flight.port}}}\ncapture: {{vault_file: vault.sqlite, vault_key_file: key/vault.key}}\n"
            f'routes: {{lm: {{pattern: /lm/, destination: "http://127.0.0.1:{upstream.port}/"}}}}\n'
        )
        code, _, err = await replay(tmp_path, str(request))
        assert code == 0, err
        assert [line for line in err.splitlines() if "vault" in line] == [
            "-- key is from the vault",
            "-- X-Api-Key is from the vault",
            "-- Cookie is from the vault",
        ]
        assert (await replay(tmp_path, str(request), "--to", f"http://127.0.0.1:{other.port}"))[0] == 0
        config.unlink()
        assert (await replay(tmp_path, str(request)))[0] == 0
        first, second, third = await flight.land()
        for received in (first, second, third):
            assert KEY.encode() not in received.request
        sent, again, last = bytes(upstream.peers[0].received).split(b"GET ")[1:]
        assert sent == again
        assert KEY.encode() not in last
        assert KEY.encode() not in other.peers[0].received


async def test_what_an_sdk_asked_a_real_server_is_asked_again_streamed_and_edited(
    flight: Flight, llama_port: int, tmp_path: Path
) -> None:
    asked: Any = {"model": "tiny", "messages": [{"role": "user", "content": "Say something."}], "max_tokens": 12}
    await flight.start(to(llama_port))
    async with openai.AsyncOpenAI(base_url=f"{flight.url}/lm/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(**asked, seed=1, temperature=0, stream=True)
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    (request,) = await recorded(flight.log_dir, 1)
    code, out, err = await replay(tmp_path, str(request))
    assert (code, out.removesuffix("\n")) == (0, said.removesuffix("\n")), err
    code, whole, err = await replay(tmp_path, str(request), "--set", "stream=false", "--set", "max_tokens=3")
    assert code == 0, err
    original, streamed, edited = await flight.land()
    assert streamed.metadata["replay_of"] == edited.metadata["replay_of"] == original.metadata["id"]
    assert KEY not in err
    call = decoded(flight.log_dir, edited.stem)
    assert (call.stream, call.usage.output_tokens, call.parameters["max_tokens"]) == (False, 3, 3)
    assert whole.removesuffix("\n") == call.output[0].text.removesuffix("\n")


async def recorded(log_dir: Path, count: int) -> list[Path]:
    """The `_request.bin` of each, once all have ended."""

    def ended() -> list[Path]:
        return [each for each in log_dir.glob("*_metadata.json") if b'"completed":true' in each.read_bytes()]

    await until(lambda: len(ended()) == count, f"{count} exchanges are recorded")
    return [each.with_name(each.name.replace("_metadata.json", "_request.bin")) for each in sorted(ended())]
