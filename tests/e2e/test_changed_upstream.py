"""What was recorded is sent again after the upstream has changed, and the comparison names the change, and it alone."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from commands.diff import diff_command
from commands.replay import replay_command
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import Peer, ScriptedUpstream, until
from tests.traffic.llm.example import sse

MESSAGES: Any = [{"role": "user", "content": "The weather in Bern?"}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@dataclass
class Model:
    """Answers all that is asked, each time with other ids; what it says can be changed."""

    says: str = "I look it up."
    city: str = "Bern"
    model: str = "gpt-4o-2024-08-06"
    finish_reason: str = "tool_calls"
    extra: dict[str, Any] = field(default_factory=dict)
    answered: int = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            try:
                asked = json.loads((await peer.read_message()).partition(b"\r\n\r\n")[2])
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.answered += 1
            await peer.send(self._streamed() if asked.get("stream") else self._whole())

    def _made(self) -> dict[str, Any]:
        number = self.answered
        return {
            "id": f"chatcmpl-{number}",
            "created": 1_700_000_000 + number,
            "model": self.model,
            "system_fingerprint": f"fp_{number}",
            **self.extra,
        }

    def _call(self) -> dict[str, Any]:
        arguments = json.dumps({"city": self.city, "days": 1})
        return {
            "id": f"call_{self.answered}",
            "type": "function",
            "function": {"name": "weather", "arguments": arguments},
        }

    def _whole(self) -> bytes:
        message = {"role": "assistant", "content": self.says, "refusal": None, "tool_calls": [self._call()]}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        usage = {"prompt_tokens": 9, "completion_tokens": 9 + self.answered, "total_tokens": 18 + self.answered}
        said = {"object": "chat.completion", **self._made(), "choices": [choice], "usage": usage}
        return _response("application/json", json.dumps(said).encode())

    def _streamed(self) -> bytes:
        """Each time in pieces of another size."""
        size = 2 + self.answered
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": self.says[at : at + size]} for at in range(0, len(self.says), size)]
        deltas += [{"tool_calls": [{"index": 0, **self._call()}]}]
        ends = [*((delta, None) for delta in deltas), ({}, self.finish_reason)]
        made = {"object": "chat.completion.chunk", **self._made(), "obfuscation": "x" * self.answered}
        events = [{**made, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in ends]
        return _response("text/event-stream", sse(*events, b"[DONE]"))


def _response(content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nX-Request-Id: {id(body)}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _shown(result: Result) -> list[str]:
    """The differences and the verdict, without the facts."""
    _, _, rest = result.stdout.partition("\ntotal ")
    return rest.splitlines()[2:]


async def _run(command: Any, *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, command, arguments)


async def _recorded(flight: Flight) -> Path:
    """The metadata of the one exchange, once it is whole."""

    def are_there() -> list[Path]:
        return [file for file in flight.log_dir.glob("*_metadata.json") if b'"completed":true' in file.read_bytes()]

    await until(lambda: bool(are_there()), "the recording is there")
    (found,) = are_there()
    return found


async def _ask(flight: Flight, *, stream: bool) -> None:
    import openai

    async with openai.AsyncOpenAI(base_url=f"{flight.url}/lm/v1", api_key="sk-test-1", max_retries=0) as client:
        asked: Any = {"model": "gpt-4o", "messages": MESSAGES, "tools": TOOLS}
        if not stream:
            await client.chat.completions.create(**asked)
            return
        async for _ in await client.chat.completions.create(**asked, stream=True):
            pass


CHANGES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", {}, ["the same"]),
    (
        "a word",
        {"says": "I look that up."},
        ["answer:text", '  - "I look it up."', '  + "I look that up."', "", "1 difference matters"],
    ),
    (
        "an argument",
        {"city": "Basel"},
        ["answer:tool_calls[0].arguments.city", '  - "Bern"', '  + "Basel"', "", "1 difference matters"],
    ),
    (
        "the model",
        {"model": "gpt-4o-2024-11-20"},
        [
            "answer:model",
            '  - "gpt-4o-2024-08-06"',
            '  + "gpt-4o-2024-11-20"',
            "",
            "1 difference matters",
        ],
    ),
    (
        "how it ended",
        {"finish_reason": "stop"},
        ["answer:finish_reason", '  - "tool_calls"', '  + "stop"', "", "1 difference matters"],
    ),
]


async def test_replays_are_compared_with_what_they_repeat_as_they_come(flight: Flight) -> None:
    model = Model()
    async with ScriptedUpstream(model) as upstream:
        await flight.start(to(upstream.port))
        await _ask(flight, stream=True)
        recorded, to_itself = str(await _recorded(flight)), f"http://127.0.0.1:{upstream.port}"
        same = await _run(replay_command, recorded, "--to", to_itself, "--diff")
        model.says = "I look that up."
        changed = await _run(replay_command, recorded, "--via", flight.url, "--diff", "--set", "temperature=0")
        many = await _run(replay_command, recorded, "--to", to_itself, "--diff", "--repeat", "3", "--json")
        ignored = await _run(replay_command, recorded, "--to", to_itself, "--diff", "--ignore", "answer:text")
        dry = await _run(replay_command, recorded, "--to", to_itself, "--diff", "--dry-run")
    gone = await _run(replay_command, recorded, "--to", to_itself, "--diff")
    assert (same.exit_code, same.stdout.partition("  ")[2]) == (0, "the same\n")
    assert (changed.exit_code, _shown(changed)) == (
        1,
        [
            "answer:text",
            '  - "I look it up."',
            '  + "I look that up."',
            "",
            "request:temperature  (does not matter)",
            "  + 0",
            "",
            "1 difference matters, and 1 that does not",
        ],
    )
    found = [json.loads(line) for line in many.stdout.splitlines()]
    assert (many.exit_code, [each["same"] for each in found]) == (1, [False] * 3)
    assert many.stderr.splitlines()[-1] == "0 the same, 3 different"
    assert ignored.exit_code == 0
    assert (dry.exit_code, dry.stderr.splitlines()[-1]) == (0, "-- 1 request; nothing was sent")
    assert (gone.exit_code, gone.stdout) == (2, "")
    assert gone.stderr.splitlines()[-1].endswith(f"no answer: cannot connect to {to_itself}: nothing listens there")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("change", "lines"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES])
async def test_what_changed_upstream_is_named_and_nothing_else(
    flight: Flight, change: dict[str, Any], lines: list[str], *, stream: bool
) -> None:
    model = Model()
    async with ScriptedUpstream(model) as upstream:
        await flight.start(to(upstream.port))
        await _ask(flight, stream=stream)
        recorded = await _recorded(flight)
        for name, value in change.items():
            setattr(model, name, value)
        replayed = await _run(replay_command, str(recorded), "--via", flight.url)
        assert replayed.exit_code == 0, replayed.output
        first, second = await flight.land()
    assert second.metadata["replay_of"] == first.metadata["id"]
    stems = [str(flight.log_dir / each.stem) for each in (first, second)]
    result = await _run(diff_command, *stems)
    assert (result.exit_code, _shown(result)) == (0 if not change else 1, lines), result.output
