"""What Ollama's two dialects have in common: an answer is lines of JSON that continue each other, the last with
`"done": true`; without streaming it is that one line alone.

Errors are `{"error": "..."}`, as the whole answer or as a line of it. A count that is missing was not counted: of a
prompt that lay in the cache, older versions tell none.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from traffic.llm.call import Chunk, Media, Message, Part, ProviderError, Reasoning, Text, ToolCall, Usage
from traffic.llm.dialect import Answered
from traffic.llm.errors import provider_error
from traffic.llm.events import Event
from traffic.llm.shapes import base64_bytes, count, mapping, sequence, text, text_or_none

_COUNTS: Final = (("input_tokens", "prompt_eval_count"), ("output_tokens", "eval_count"))


class Added(NamedTuple):
    """What one line holds."""

    thinking: str
    said: str
    others: tuple[Part, ...] = ()


class LineReader:
    """Also reads a whole answer: it is a stream of one line. `added` finds in a line what it adds."""

    def __init__(self, added: Callable[[dict[str, Any]], Added]) -> None:
        self._added = added
        self._thinking: list[str] = []
        self._said: list[str] = []
        self._others: list[Part] = []
        self._last: dict[str, Any] = {}
        self._error: ProviderError | None = None

    def feed(self, event: Event) -> list[Chunk]:
        return self.take(event.document(), event.at_ms)

    def take(self, line: Any, at_ms: float | None) -> list[Chunk]:
        line = mapping(line)
        if "error" in line or "done" not in line:
            error = provider_error(line)
            if error is not None:
                self._error = error
                return []
        self._last = line
        thinking, said, others = self._added(line)
        chunks = []
        if thinking:
            self._thinking.append(thinking)
            chunks.append(Chunk(at_ms, "reasoning", thinking))
        if said:
            self._said.append(said)
            chunks.append(Chunk(at_ms, "text", said))
        for part in others:
            self._others.append(part)
            if isinstance(part, ToolCall):
                chunks.append(Chunk(at_ms, "tool_call", part.name + part.arguments))
        return chunks

    def answered(self) -> Answered:
        parts = tuple(said_parts("".join(self._thinking), "".join(self._said), self._others))
        return Answered(
            response_model=text_or_none(self._last.get("model")),
            output=(Message("assistant", parts),) if parts else (),
            finish_reason=text_or_none(self._last.get("done_reason")),
            usage=_usage(self._last),
            error=self._error,
            ended=self._last.get("done") is True or self._error is not None,
        )


def said_parts(thinking: str, said: str, others: list[Part]) -> list[Part]:
    parts: list[Part] = [Reasoning(thinking)] if thinking else []
    parts += [Text(said)] if said else []
    return parts + others


def images(value: Any) -> list[Part]:
    """Of a field that holds base64 texts."""
    return [Media("image", None, "inline", base64_bytes(text(image))) for image in sequence(value)]


def _usage(line: dict[str, Any]) -> Usage:
    counts = {ours: tokens for ours, theirs in _COUNTS if (tokens := count(line.get(theirs))) is not None}
    return Usage(**counts, sources={ours: f"reported: {theirs}" for ours, theirs in _COUNTS if ours in counts})
