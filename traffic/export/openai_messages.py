"""A call as OpenAI's chat completions write it, whatever dialect it was said in: messages with the answer behind, and
the functions that the model might have called. Called by openai_ft.py.

Reasoning is left out. What a provider's own tool did within an answer becomes a call and its result. Calls without an
id, as Gemini and Ollama have them, get one.
"""

from collections.abc import Iterator
from typing import Any, Final

from traffic.llm.call import LlmCall, Media, Message, Part, Refusal, Text, ToolCall, ToolResult
from traffic.llm.shapes import mapping, sequence, text

_DECLARATIONS: Final = ("functionDeclarations", "function_declarations")  # Gemini's
_SCHEMAS: Final = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")


class NoMessagesError(ValueError):
    """Why a call cannot be written so: the words with which it is counted."""


def messages_of(call: LlmCall) -> list[dict[str, Any]]:
    """Raises NoMessagesError."""
    writer = _Writer()
    for message in (*call.input, *call.output[:1]):
        writer.add(message)
    return writer.messages


class _Writer:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._unanswered: dict[str, str] = {}  # names of functions by the ids of their calls
        self._calls = 0

    def add(self, message: Message) -> None:
        if message.role == "assistant":
            self._add_assistant(message.parts)
            return
        if message.role == "tool":
            self._add_results(message.parts)
            return
        content = _content(message.parts)
        if content:
            self._check_answered()
            self.messages.append({"role": message.role, "content": content})

    def _add_assistant(self, parts: tuple[Part, ...]) -> None:
        """A result within ends one message of the assistant, and what is behind it begins another."""
        said: list[Part] = []
        for part in parts:
            if isinstance(part, ToolResult):
                self._say(said)
                said = []
                self._add_results((part,))
            else:
                said.append(part)
        self._say(said)

    def _say(self, parts: list[Part]) -> None:
        words = "".join(part.text for part in parts if isinstance(part, Text))
        refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
        calls = [part for part in parts if isinstance(part, ToolCall)]
        if any(isinstance(part, Media) for part in parts):
            raise NoMessagesError("media that such a file cannot hold")
        if not (words or refusal or calls):
            return
        self._check_answered()
        message: dict[str, Any] = {"role": "assistant", "content": words or None}
        if refusal:
            message["refusal"] = refusal
        if calls:
            message["tool_calls"] = [self._call(call) for call in calls]
        self.messages.append(message)

    def _call(self, call: ToolCall) -> dict[str, Any]:
        self._calls += 1
        call_id = call.id or f"call_{self._calls}"
        self._unanswered[call_id] = call.name
        return {
            "id": call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments or "{}"},
        }

    def _add_results(self, parts: tuple[Part, ...]) -> None:
        for part in parts:
            if not isinstance(part, ToolResult):
                raise NoMessagesError("media that such a file cannot hold")
            called = part.id if part.id in self._unanswered else self._called(part)
            if called is None:
                raise NoMessagesError("a result without its tool call")
            del self._unanswered[called]
            self.messages.append({"role": "tool", "tool_call_id": called, "content": part.text})

    def _called(self, result: ToolResult) -> str | None:
        """The first call of that function that waits, where ids tell nothing."""
        if result.id is not None:
            return None
        waiting = (call_id for call_id, name in self._unanswered.items() if result.name in (None, name))
        return next(waiting, None)

    def _check_answered(self) -> None:
        if self._unanswered:
            raise NoMessagesError("a tool call without its result")


def _content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    if all(isinstance(part, Text) for part in parts) and len(parts) <= 1:
        return "".join(part.text for part in parts if isinstance(part, Text))
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Media) and part.kind == "image" and part.reference.startswith(("https://", "http://")):
        return {"type": "image_url", "image_url": {"url": part.reference}}
    raise NoMessagesError("media that such a file cannot hold")


def tools_of(document: Any) -> list[dict[str, Any]]:
    """The functions of a request's document; the provider's own tools are none."""
    document = mapping(document)
    declared = [mapping(tool) for tool in (*sequence(document.get("tools")), *sequence(document.get("functions")))]
    return [{"type": "function", "function": function} for tool in declared for function in _functions(tool)]


def _functions(tool: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in _DECLARATIONS:
        for declaration in map(mapping, sequence(tool.get(name))):
            yield from _functions({**declaration, "type": "function"})
    if tool.get("type") not in ("function", "custom", None):
        return
    fields = mapping(tool.get("function")) or tool
    if not text(fields.get("name")):
        return
    function: dict[str, Any] = {"name": fields["name"]}
    if text(fields.get("description")):
        function["description"] = fields["description"]
    schema = next((fields[name] for name in _SCHEMAS if isinstance(fields.get(name), dict)), None)
    if schema is not None:
        function["parameters"] = _schema(schema)
    yield function


def _schema(value: Any, *, is_of_names: bool = False) -> Any:
    """Gemini writes JSON Schema's types in capitals. `is_of_names`: the keys of this object are names of properties."""
    if isinstance(value, list):
        return [_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: each.lower()
        if name == "type" and isinstance(each, str) and not is_of_names
        else _schema(each, is_of_names=name == "properties" and not is_of_names)
        for name, each in value.items()
    }
