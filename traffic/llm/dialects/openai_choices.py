"""Answers that come as choices, whole or in chunks: what chat completions and the legacy completions have in common.
Called by their dialects, which read what is in a choice.

    {"id", "model", "choices": [...], "usage": {"prompt_tokens", ...}}

In a stream, usage comes in a chunk of its own with no choices, or in each chunk, and then the last one counts. It ends
with `[DONE]` or with an error, which stands instead of an answer, beside one, or (OpenRouter) in a choice.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from traffic.llm.call import Chunk, Message, Part, ProviderError
from traffic.llm.dialect import Answered
from traffic.llm.dialects.openai_usage import CHAT, read_cost, read_timings, read_usage
from traffic.llm.errors import provider_error
from traffic.llm.events import Event
from traffic.llm.shapes import mapping, sequence, text_or_none

_FIRST: Final = ("id", "model")
_LAST: Final = ("usage", "timings")
_CHOICES_MAX: Final = 4096  # of a stream: each takes memory; OpenAI gives at most 128 for each of a few prompts


class StreamedChoice(Protocol):
    def add(self, choice: dict[str, Any], at_ms: float | None) -> list[Chunk]: ...

    def parts(self) -> list[Part]: ...


def read_whole(document: Any, choice_parts: Callable[[dict[str, Any]], list[Part]]) -> Answered:
    document = mapping(document)
    choices = [mapping(choice) for choice in sequence(document.get("choices"))]
    return _answered(
        document,
        output=tuple(Message("assistant", tuple(choice_parts(choice))) for choice in choices),
        finish_reason=text_or_none(choices[0].get("finish_reason")) if choices else None,
        error=_error(document, choices),
    )


class ChoicesReader:
    """Feeds each choice of a stream the chunks that are its."""

    def __init__(self, new_choice: Callable[[], StreamedChoice]) -> None:
        self._new_choice = new_choice
        self._choices: dict[int, StreamedChoice] = {}
        self._finish_reasons: dict[int, str] = {}
        self._envelope: dict[str, Any] = {}
        self._error: ProviderError | None = None
        self._has_ended = False

    def feed(self, event: Event) -> list[Chunk]:
        if self._has_ended:
            return []
        if event.data.startswith(b"[DONE]"):
            self._has_ended = True
            return []
        document = mapping(event.document())
        choices = sequence(document.get("choices"))
        self._read_envelope(document, choices)
        chunks: list[Chunk] = []
        for each in choices:
            choice = mapping(each)
            place = choice.get("index")
            index = place if isinstance(place, int) else 0
            if index not in self._choices:
                if len(self._choices) == _CHOICES_MAX:
                    continue
                self._choices[index] = self._new_choice()
            if reason := text_or_none(choice.get("finish_reason")):
                self._finish_reasons[index] = reason
            chunks += self._choices[index].add(choice, event.at_ms)
        return chunks

    def _read_envelope(self, document: dict[str, Any], choices: list[Any]) -> None:
        envelope = self._envelope
        for name in _FIRST:
            if name not in envelope and (value := document.get(name)):
                envelope[name] = value
        for name in _LAST:
            if value := document.get(name):
                envelope[name] = value
        self._error = _error(document, choices)
        self._has_ended = self._error is not None

    def answered(self) -> Answered:
        order = sorted(self._choices)
        return _answered(
            self._envelope,
            output=tuple(Message("assistant", tuple(self._choices[index].parts())) for index in order),
            finish_reason=self._finish_reasons.get(order[0]) if order else None,
            error=self._error,
            has_ended=self._has_ended,
        )


def _answered(
    envelope: dict[str, Any],
    *,
    output: tuple[Message, ...],
    finish_reason: str | None,
    error: ProviderError | None,
    has_ended: bool = True,
) -> Answered:
    usage = read_usage(envelope.get("usage"), CHAT)
    cost_usd, cost_source = read_cost(envelope.get("usage"), CHAT)
    return Answered(
        response_model=text_or_none(envelope.get("model")) or None,
        response_id=text_or_none(envelope.get("id")) or None,
        output=output,
        finish_reason=finish_reason,
        usage=usage if usage.sources else read_timings(envelope.get("timings")),
        reported_cost_usd=cost_usd,
        reported_cost_source=cost_source,
        error=error,
        ended=has_ended,
    )


def _error(document: dict[str, Any], choices: list[Any]) -> ProviderError | None:
    if not choices or "error" in document:
        return provider_error(document)
    for choice in choices:
        if isinstance(choice, dict) and "error" in choice:
            return provider_error(choice)
    return None
