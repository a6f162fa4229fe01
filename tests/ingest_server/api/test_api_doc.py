"""docs/api.md: it has every endpoint, its commands work, and its answers have the fields of the real ones."""

import asyncio
import json
import os
import re
import uuid
from pathlib import Path

import pytest
from aiohttp import ClientSession

from ingest_server.api.operations import OPERATIONS
from tests.ingest_server.api.stock import CHAT, STREAMED

TEXT = (Path(__file__).parents[3] / "docs/api.md").read_text("utf-8")
SECTIONS = re.findall(r"^### `(\S+) (\S+)`\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [
    command
    for *_, text in SECTIONS
    for block in re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for command in block.splitlines()
]
ANSWERS = [
    (re.findall(r"^curl .*$", text, re.MULTILINE)[-1], answer)
    for *_, text in SECTIONS
    for answer in re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
]
TIME_IS_UP = 28  # curl's exit code


@pytest.fixture
def no_indexer() -> None:
    """The commands meet a server as it is."""


def test_it_has_every_endpoint_once_and_each_has_a_command() -> None:
    assert sorted((method, path) for method, path, _ in SECTIONS) == sorted(
        (each.method, each.path) for each in OPERATIONS
    )
    for method, path, text in SECTIONS:
        assert "\ncurl " in text, f"{method} {path}"


async def run(command: str, client: ClientSession, folder: Path) -> bytes:
    """What it prints, without the wait for the end of what has none."""
    (folder / "request.bin").write_bytes(CHAT.request)
    (folder / "response.bin").write_bytes(CHAT.response)
    address = str(client._base_url).rstrip("/")
    command = command.replace("http://localhost:8080", address).replace("curl ", "curl -sSf --max-time 1 ", 1)
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        command,
        cwd=folder,
        env=os.environ | {"id": str(uuid.uuid4()), "session": CHAT.id},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    expected = TIME_IS_UP if "/v1/live" in command else 0
    assert process.returncode == expected, (command, errors)
    return out


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_works(stocked: ClientSession, tmp_path: Path, command: str) -> None:
    printed = await run(command, stocked, tmp_path)
    assert printed or "-o " in command


@pytest.mark.parametrize(("command", "answer"), ANSWERS, ids=[command for command, _ in ANSWERS])
async def test_an_answer_has_the_fields_of_a_real_one(
    stocked: ClientSession, tmp_path: Path, command: str, answer: str
) -> None:
    command = command.replace("since=7d", "since=2026-01-01").replace("since=30d", "since=2026-01-01")
    command = command.replace("last/events", f"{STREAMED.id}/events")
    real = json.loads(await run(command, stocked, tmp_path))
    assert missing(json.loads(answer), real, "") == []


def missing(shown: object, real: object, place: str) -> list[str]:
    """What the example shows and the real answer does not have."""
    if isinstance(shown, dict) and isinstance(real, dict):
        found = [f"{place}.{name}" for name in shown if name not in real]
        return found + [
            each for name in shown if name in real for each in missing(shown[name], real[name], f"{place}.{name}")
        ]
    if isinstance(shown, list) and isinstance(real, list):
        return missing(shown[0], real[0], f"{place}[]") if shown and real else []
    return []
