"""`recorder fork`: one recorded exchange asked of several models, on the wire and in the table."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands.fork import fork_command
from tests.e2e.scripted import Peer, ScriptedUpstream
from tests.replay.stored import store
from tests.traffic.llm.example import Example

ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Capital of France?"}]}


def _said(model: str, content: str, tool: str | None = None) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    message = {"role": "assistant", "content": content, **({"tool_calls": [call]} if tool else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if tool else "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": len(content), "total_tokens": 0}
    return {"id": "1", "created": 1, "model": f"{model}-served", "choices": [choice], "usage": usage}


class Provider:
    """Knows some models; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.targets: list[str] = []

    async def __call__(self, peer: Peer) -> None:
        try:
            head, _, body = (await peer.read_message()).partition(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        self.targets.append(head.split(b" ")[1].decode())
        asked = json.loads(body)
        model = asked.get("model", "")
        self.asked[model] = asked
        if model == "cut":
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
            peer.close()
            return
        status, said = self._answer(model)
        data = json.dumps(said).encode()
        head = b"HTTP/1.1 %d Told\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(data))
        await peer.send(head + data)

    def _answer(self, model: str) -> tuple[int, dict[str, Any]]:
        if model == "unknown":
            return 404, {"error": {"message": "no such model", "type": "invalid_request_error", "code": None}}
        if model == "agent":
            return 200, _said(model, "I look.", "atlas")
        return 200, _said(model, f"Paris, says {model}.")


@pytest.fixture
def recording(tmp_path: Path) -> str:
    answer = json.dumps(_said("gpt-4o", "Paris.")).encode()
    return str(store(tmp_path, 1, Example("/v1/chat/completions", ASKED, answer)))


async def _fork(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, fork_command, arguments)


async def test_each_model_is_asked_the_same_and_its_answer_is_a_line(recording: str) -> None:
    provider = Provider()
    async with ScriptedUpstream(provider) as upstream:
        to = f"http://127.0.0.1:{upstream.port}"
        result = await _fork(recording, "--models", "a, agent,a,b", "--to", to, "--set", "temperature=0")
    assert result.exit_code == 0, result.output
    assert provider.asked == {model: {**ASKED, "model": model, "temperature": 0} for model in ("a", "agent", "b")}
    title, *rows = result.stdout.splitlines()
    assert title.split() == ["model", "status", "took", "first", "in", "out", "cost", "answer"]
    assert [(row.split()[0], row.split("  ")[-1]) for row in rows] == [
        ("gpt-4o", "Paris."),
        ("a", "Paris, says a."),
        ("agent", "→ atlas"),
        ("b", "Paris, says b."),
    ]
    assert rows[0].startswith("gpt-4o (recorded)")
    assert rows[1].split()[1] == "200"
    assert "3 requests to http://127.0.0.1:" in result.stderr


async def test_a_model_that_does_not_answer_is_told_in_its_line_and_the_exit_code_is_1(recording: str) -> None:
    async with ScriptedUpstream(Provider()) as upstream:
        to = f"http://127.0.0.1:{upstream.port}"
        result = await _fork(recording, "--models", "a,unknown,cut", "--to", to)
    assert result.exit_code == 1, result.output
    rows = result.stdout.splitlines()[2:]
    assert rows[0].endswith("Paris, says a.")
    assert rows[1].split()[1] == "404"
    assert rows[1].endswith("no such model")
    assert "  the answer was cut" in rows[2]


async def test_json_has_all_of_each_answer(recording: str) -> None:
    async with ScriptedUpstream(Provider()) as upstream:
        result = await _fork(recording, "--models", "agent", "--to", f"http://127.0.0.1:{upstream.port}", "--json")
    (found,) = (json.loads(line) for line in result.stdout.splitlines())
    assert found["name"] == "agent"
    assert found["problem"] is None
    assert found["form"] == {
        "model": "agent-served",
        "text": "I look.",
        "tool_calls": [{"name": "atlas", "arguments": {}}],
        "finish_reason": "tool_calls",
    }
    assert (found["facts"]["status"], found["facts"]["output_tokens"]) == (200, 7)


async def test_the_model_of_an_api_that_has_it_in_the_path_is_changed_there(tmp_path: Path) -> None:
    asked = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    path = "/v1beta/models/gemini-a:generateContent"
    stem = store(tmp_path, 1, Example(path, asked, b'{"candidates": []}'))
    provider = Provider()
    async with ScriptedUpstream(provider) as upstream:
        await _fork(str(stem), "--models", "gemini-b,g/c", "--to", f"http://127.0.0.1:{upstream.port}")
    assert sorted(provider.targets) == [
        "/v1beta/models/g%2Fc:generateContent",
        "/v1beta/models/gemini-b:generateContent",
    ]
    assert provider.asked == {"": asked}


NO_MODEL = "the recorded request names no model, neither in a JSON body nor in its path"
NO_NAMES = "Invalid value for --models: expected names with commas between, as in gpt-4o,gpt-4o-mini"


@pytest.mark.parametrize(
    ("example", "arguments", "exit_code", "problem"),
    [
        (Example("/health", None, b"{}"), ["--models", "a"], 1, NO_MODEL),
        (Example("/v1/chat/completions", ASKED, b"{}"), ["--models", " , "], 2, NO_NAMES),
        (Example("/v1/chat/completions", ASKED, b"{}"), [], 2, "Missing option '--models'."),
    ],
)
async def test_what_cannot_be_asked_of_other_models_is_refused_before_anything_is_sent(
    tmp_path: Path, example: Example, arguments: list[str], exit_code: int, problem: str
) -> None:
    stem = store(tmp_path, 1, example)
    result = await _fork(str(stem), "--to", "http://127.0.0.1:9", *arguments)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr.splitlines()[-1] == f"Error: {problem}"


async def test_one_exchange_is_asked_again_not_several(recording: str) -> None:
    result = await _fork(recording, recording, "--models", "a")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: one exchange is asked again, and more were given: recorder fork last --models A,B"
    )


async def test_what_a_provider_charges_for_is_not_sent_unasked(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-1")
    result = await _fork(recording, "--models", "gpt-4o,gpt-4o-mini", "--to", "https://api.openai.com")
    assert (result.exit_code, result.stdout) == (1, "")
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert error.startswith(
        "Error: 2 POST requests go to https://api.openai.com, which charges for them (as recorded: $"
    )
    assert error.endswith("; --yes sends them without asking")
