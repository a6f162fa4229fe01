"""`capture.vault`: the recorder keeps what it redacts for its owner, sealed, and nothing that stays on this machine."""

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from recorder.settings import Capture
from tests.commands.conftest import CLI
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import Peer, ScriptedUpstream, answers, ok, until
from tests.e2e.test_secrets import everything_below
from traffic.capture.vault import Vault
from traffic.keys import Key

REQUEST = (
    b"POST /lm/v1/chat?key=sk%2Fquery-4242424242&x=1 HTTP/1.1\r\n"
    b"Host: recorder.test\r\n"
    b"Authorization: Bearer sk-authorization-4242424242\r\n"
    b"Cookie: session=sk-cookie-4242424242\r\n"
    b"Proxy-Authorization: Basic sk-proxy-4242424242\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nX-Api-Key: sk-trailer-4242424242\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=sk-set-4242424242\r\nContent-Length: 0\r\n\r\n"


async def answer_request(peer: Peer) -> None:
    while True:
        try:
            await peer.read_until(b"sk-trailer-4242424242\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        await peer.send(ANSWER)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "state" / "vault.sqlite", tmp_path / "config" / "vault.key")


async def opened(flight: Flight, vault: Vault, port: int) -> dict[str, bytes | None]:
    """What is kept once all has landed, by where it was found; all of it went to the upstream at `port`."""
    await flight.land()
    origin = f"http://127.0.0.1:{port}"
    assert {secret.origin for secret in vault.kept()} <= {origin}
    return {secret.found_in: vault.secret_of(secret.placeholder, origin) for secret in vault.kept()}


async def test_each_secret_that_goes_upstream_is_kept_under_its_placeholder(flight: Flight, vault: Vault) -> None:
    async with ScriptedUpstream(answer_request) as upstream:
        await flight.start(to(upstream.port), capture=Capture(vault=vault))
        await flight.send(REQUEST)
        await flight.send(REQUEST)
        kept = await opened(flight, vault, upstream.port)
    assert kept == {
        "request.query.key": b"sk/query-4242424242",
        "request.header.authorization": b"sk-authorization-4242424242",
        "request.header.cookie": b"session=sk-cookie-4242424242",
        "request.header.x-api-key": b"sk-trailer-4242424242",
    }


async def test_recordings_hold_the_placeholders_and_no_file_holds_a_secret(
    flight: Flight, vault: Vault, tmp_path: Path
) -> None:
    async with ScriptedUpstream(answer_request) as upstream:
        await flight.start(to(upstream.port), capture=Capture(vault=vault))
        await flight.send(REQUEST)
        await flight.wait_until_written()
        assert "4242424242" not in everything_below(flight.journal_dir)
        (record,) = await flight.land()
    assert "4242424242" not in everything_below(tmp_path)
    for secret in vault.kept():
        assert secret.placeholder.encode() in record.request
    assert {secret.placeholder for secret in vault.kept()} < {
        each["placeholder"] for each in record.metadata["redactions"]
    }


@pytest.mark.parametrize(
    ("request_line", "fields"),
    [
        (b"GET /lm/?key=sk-4242424242 HTTP/1.1", [b"Authorization: Bearer not-the-recorders-key"]),  # 401
        (b"GET /lm/?key=sk-4242424242 HTTP/1.1", [b"x-recorder-key: rk-0123456789abcdef", b"no colon"]),  # 400
        (b"GET /nowhere/?key=sk-4242424242 HTTP/1.1", [b"x-recorder-key: rk-0123456789abcdef"]),  # 404
        (b"GET /quiet/?key=sk-4242424242 HTTP/1.1", [b"x-recorder-key: rk-0123456789abcdef"]),  # not recorded
        (b"GET /lm/ HTTP/1.1", [b"Authorization: Bearer rk-0123456789abcdef"]),  # the recorder's own
    ],
)
async def test_what_goes_to_no_upstream_or_is_not_recorded_is_not_kept(
    flight: Flight, vault: Vault, request_line: bytes, fields: Sequence[bytes]
) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        routes = to(upstream.port), to(upstream.port, "quiet", log=False)
        keys = (Key.parse("me", "rk-0123456789abcdef"),)
        await flight.start(*routes, capture=Capture(vault=vault), keys=keys)
        await flight.send(b"\r\n".join([request_line, b"Host: h", *fields, b"", b""]))
        assert await opened(flight, vault, upstream.port) == {}


async def test_without_the_setting_nothing_is_written(flight: Flight, tmp_path: Path) -> None:
    async with ScriptedUpstream(answer_request) as upstream:
        await flight.start(to(upstream.port))
        await flight.send(REQUEST)
        await flight.land()
    assert names_in(tmp_path) == ["journal", "logs"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_vault_that_cannot_be_written_costs_no_request_and_shows_in_the_health(
    flight: Flight, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    vault.file.mkdir(parents=True, mode=0o700)
    async with ScriptedUpstream(answer_request) as upstream, aiohttp.ClientSession() as session:
        await flight.start(to(upstream.port), capture=Capture(vault=vault))
        assert flight.recorder is not None
        keeper = flight.recorder._context.vault
        assert keeper is not None
        assert (await flight.send(REQUEST))[0] == ANSWER
        await until(lambda: keeper.failure is not None, "the vault was tried")
        async with session.get(f"{flight.url}/health/detailed") as answer:
            parts = {part["name"]: part for part in (await answer.json())["parts"]}
        assert len(await flight.land()) == 1
    problem = f"{vault.file}: Is a directory"
    assert parts["vault"] == {"name": "vault", "status": "degraded", "text": f"it keeps no secrets: {problem}"}
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"the vault keeps no secrets: {problem}; recordings go on without"
    ]


async def test_a_recording_without_secrets_is_sent_again_with_those_of_the_vault(
    flight: Flight, vault: Vault, tmp_path: Path
) -> None:
    """On the owner's machine alone: with the vault forgotten, the placeholders go."""
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port), capture=Capture(vault=vault))
        await flight.send(
            b"GET /lm/v1/models?key=sk%2Fquery-4242424242 HTTP/1.1\r\nHost: recorder.test\r\n"
            b"Authorization: Bearer sk-authorization-4242424242\r\nCookie: a=sk-cookie-4242424242\r\n\r\n"
        )
        await flight.land()
        sent = bytes(upstream.peers[0].received)
        assert b"sk%2Fquery-4242424242 " in sent
        assert await replayed(upstream, tmp_path, vault) == secrets_in(sent)
        vault.forget(None)
        again = await replayed(upstream, tmp_path, vault)
        assert len(again) == 3
        assert all(b"[secret:" in each for each in again)


async def replayed(upstream: ScriptedUpstream, folder: Path, vault: Vault) -> list[bytes]:
    """The secrets of what `recorder replay` sends, to the upstream itself."""
    config = f"capture: {{vault_file: {vault.file}, vault_key_file: {vault.key_file}}}\n"
    (folder / "config.yaml").write_text(config)
    (file,) = (folder / "logs").glob("*_request.bin")
    process = await asyncio.create_subprocess_exec(
        sys.executable, CLI, "replay", file, "--direct", cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    assert process.returncode == 0, told.decode()
    assert b"4242424242" not in told
    return secrets_in(bytes(upstream.peers[-1].received))


def secrets_in(request: bytes) -> list[bytes]:
    return re.findall(rb"(?<=key=)[^ ]+|(?<=Authorization: Bearer )[^\r]+|(?<=Cookie: )[^\r]+", request)
