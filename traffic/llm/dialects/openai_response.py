"""An answer of OpenAI's Responses API, whole or as its events. Called by openai_responses.py.

    whole       {"id", "model", "status", "output": [item, ...], "usage": {"input_tokens", ...}, "error", ...}
    stream      events that say their `type`: items are added at an `output_index`, grow by deltas, and are done; ends
                with response.completed, .incomplete or .failed, which hold the whole answer, or with `error`

What was streamed counts where the answer at the end leaves it out, or there is no end.
"""

from typing import Any, Final, Literal, NamedTuple

from traffic.llm.call import Chunk, ProviderError
from traffic.llm.dialect import Answered
from traffic.llm.dialects.openai_items import answer, call_name
from traffic.llm.dialects.openai_usage import RESPONSE, RESPONSE_EVENT, Names, read_cost, read_usage
from traffic.llm.errors import provider_error
from traffic.llm.events import Event
from traffic.llm.shapes import mapping, sequence, text, text_or_none

_RUNNING: Final = ("queued", "in_progress")
_ENDS: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")

_ITEMS_MAX: Final = 4096  # of a stream: each takes memory


class _Delta(NamedTuple):
    """What an event's `delta` continues."""

    kind: Literal["text", "reasoning", "refusal", "tool_call"]
    item: str  # the type of item where none was added before
    field: str  # of the item
    place: str = ""  # where the field is a list: which field of the event tells the place in it
    part: str = ""  # the type of what is at that place
    key: str = ""  # where that holds the text


_DELTAS: Final = {
    "response.output_text.delta": _Delta("text", "message", "content", "content_index", "output_text", "text"),
    "response.refusal.delta": _Delta("refusal", "message", "content", "content_index", "refusal", "refusal"),
    "response.reasoning_text.delta": _Delta(
        "reasoning", "reasoning", "content", "content_index", "reasoning_text", "text"
    ),
    "response.reasoning_summary_text.delta": _Delta(
        "reasoning", "reasoning", "summary", "summary_index", "summary_text", "text"
    ),
    "response.function_call_arguments.delta": _Delta("tool_call", "function_call", "arguments"),
    "response.mcp_call_arguments.delta": _Delta("tool_call", "mcp_call", "arguments"),
    "response.custom_tool_call_input.delta": _Delta("tool_call", "custom_tool_call", "input"),
    "response.code_interpreter_call_code.delta": _Delta("tool_call", "code_interpreter_call", "code"),
}


def read_response(document: Any) -> Answered:
    response = mapping(document)
    return _answered(response, RESPONSE, provider_error(response), response.get("status") not in _RUNNING)


def _answered(response: dict[str, Any], names: Names, error: ProviderError | None, has_ended: bool) -> Answered:
    usage = response.get("usage")
    cost_usd, cost_source = read_cost(usage, names)
    status = text_or_none(response.get("status"))
    why_incomplete = text_or_none(mapping(response.get("incomplete_details")).get("reason"))
    return Answered(
        response_model=text_or_none(response.get("model")),
        response_id=text_or_none(response.get("id")),
        output=answer(sequence(response.get("output"))),
        finish_reason=None if status in _RUNNING else why_incomplete or status,
        usage=read_usage(usage, names),
        reported_cost_usd=cost_usd,
        reported_cost_source=cost_source,
        error=error,
        ended=has_ended,
    )


class ResponseReader:
    def __init__(self) -> None:
        self._response: dict[str, Any] = {}
        self._items: dict[Any, _Item] = {}  # in the order in which they began
        self._error: ProviderError | None = None
        self._has_ended = False

    def feed(self, event: Event) -> list[Chunk]:
        if event.data.startswith(b"[DONE]"):
            return []
        document = mapping(event.document())
        kind = text(document.get("type")) or event.name or ""
        delta = _DELTAS.get(kind)
        if delta is not None:
            piece = text(document.get("delta"))
            self._item(document).add(delta, document, piece)
            return [Chunk(event.at_ms, delta.kind, piece)] if piece else []
        if kind in ("response.output_item.added", "response.output_item.done"):
            item, is_done = mapping(document.get("item")), kind.endswith("done")
            self._item(document).replace(item, is_done)
            if not is_done and (name := call_name(item)):
                return [Chunk(event.at_ms, "tool_call", name)]
        elif "response" in document:
            self._response = mapping(document["response"])
            self._end(provider_error(self._response), kind in _ENDS)
        elif not kind.startswith("response."):
            self._end(provider_error(document))
        return []

    def answered(self) -> Answered:
        response = self._response
        if not response.get("output"):
            response = response | {"output": [item.document() for item in self._items.values()]}
        return _answered(response, RESPONSE_EVENT, self._error, self._has_ended)

    def _item(self, event: dict[str, Any]) -> "_Item":
        """By its place or, as llama.cpp tells none, by its id."""
        place = event.get("output_index")
        key = place if isinstance(place, int) else text(event.get("item_id") or mapping(event.get("item")).get("id"))
        item = self._items.get(key)
        if item is None:
            item = _Item()
            if len(self._items) < _ITEMS_MAX:
                self._items[key] = item
        return item

    def _end(self, error: ProviderError | None, has_ended: bool = False) -> None:
        self._error = self._error or error
        self._has_ended = self._has_ended or has_ended or error is not None


class _Item:
    """An item of the output, as far as it came."""

    def __init__(self) -> None:
        self._item: dict[str, Any] = {}
        self._is_done = False
        self._pieces: dict[tuple[_Delta, int], list[str]] = {}

    def add(self, delta: _Delta, event: dict[str, Any], piece: str) -> None:
        place = event.get(delta.place)
        self._pieces.setdefault((delta, place if isinstance(place, int) else 0), []).append(piece)

    def replace(self, item: dict[str, Any], is_done: bool) -> None:
        self._item = item
        self._is_done = is_done

    def document(self) -> dict[str, Any]:
        if self._is_done:
            return self._item
        begun: dict[str, Any] = {"role": "assistant"}
        grown: dict[str, Any] = {}
        for (delta, _), pieces in sorted(self._pieces.items(), key=lambda each: each[0][1]):
            said = "".join(pieces)
            begun["type"] = delta.item
            if delta.place:
                grown.setdefault(delta.field, []).append({"type": delta.part, delta.key: said})
            else:
                grown[delta.field] = said
        return begun | self._item | grown
