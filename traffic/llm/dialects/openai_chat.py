"""OpenAI's chat completions, as OpenAI, OpenRouter, LM Studio, vLLM, llama.cpp and many others speak them:
`.../chat/completions`.

    request     messages[], tools[]; `user`, `metadata` and others may name the session
    answer      choices[].message: content, refusal, tool_calls[], function_call, audio, images[]; reasoning as
                `reasoning_content` (llama.cpp, vLLM), `reasoning` and `reasoning_details[]` (OpenRouter)
    stream      choices[].delta with pieces of these, tool calls by index
"""

from typing import Any, Final, Literal

from traffic.llm.call import Chunk, Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from traffic.llm.dialect import Answered, Asked, RequestView
from traffic.llm.dialects.openai_choices import ChoicesReader, read_whole
from traffic.llm.dialects.openai_content import content_parts, role, tools
from traffic.llm.dialects.openai_request import is_stream, model, parameters, session
from traffic.llm.shapes import base64_bytes, json_text, mapping, sequence, text, text_or_none

Kind = Literal["text", "reasoning", "refusal", "tool_call"]
Said = list[tuple[Kind, str]]

_SAID_ELSEWHERE: Final = frozenset({"model", "messages", "tools", "functions", "stream"})
_CALLS_MAX: Final = 4096  # of tools, in a stream: each takes memory


class OpenAIChat:
    name = "openai.chat"
    operation = "chat"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to("/chat/completions", "messages")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        name, source = session(document)
        return Asked(
            model=model(document),
            stream=is_stream(document),
            parameters=parameters(document, _SAID_ELSEWHERE),
            tools=tools(document.get("tools"), document.get("functions")),
            input=tuple(_message(mapping(each)) for each in sequence(document.get("messages"))),
            session=name,
            session_source=source,
        )

    def answered(self, document: Any) -> Answered:
        return read_whole(document, lambda choice: _answer_parts(mapping(choice.get("message"))))

    def stream(self) -> ChoicesReader:
        return ChoicesReader(_StreamedMessage)


def _message(message: dict[str, Any]) -> Message:
    who = role(message.get("role"))
    if who == "assistant":
        return Message(who, tuple(_answer_parts(message)))
    parts = content_parts(message.get("content"))
    if who != "tool":
        return Message(who, tuple(parts))
    said = "".join(part.text for part in parts if isinstance(part, Text))
    result = ToolResult(text_or_none(message.get("tool_call_id")), text_or_none(message.get("name")), said)
    return Message(who, (result, *(part for part in parts if not isinstance(part, Text))))


def _answer_parts(message: dict[str, Any]) -> list[Part]:
    parts: list[Part] = []
    thought = _thought(message)
    if thought is not None:
        parts.append(Reasoning(thought))
    parts += content_parts(message.get("content"))
    if refusal := text(message.get("refusal")):
        parts.append(Refusal(refusal))
    if audio := mapping(message.get("audio")):
        parts += _audio_parts(audio)
    if images := message.get("images"):
        parts += content_parts(images)
    for call in sequence(message.get("tool_calls")):
        parts.append(_tool_call(mapping(call)))
    if call := mapping(message.get("function_call")):
        parts.append(ToolCall(None, text(call.get("name")), _arguments(call)))
    return parts


def _thought(message: dict[str, Any]) -> str | None:
    """None: it tells none; empty: it is encrypted."""
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        return thought
    details = message.get("reasoning_details")
    return _details_text(details) if details else None


def _details_text(details: Any) -> str:
    told = [mapping(each) for each in sequence(details)]
    return "".join(text(each.get("text")) or text(each.get("summary")) for each in told)


def _audio_parts(audio: dict[str, Any]) -> list[Part]:
    data = text(audio.get("data"))
    recording = Media("audio", None, text(audio.get("id")) or "inline", base64_bytes(data) if data else None)
    transcript = text(audio.get("transcript"))
    return [Text(transcript), recording] if transcript else [recording]


def _tool_call(call: dict[str, Any]) -> ToolCall:
    fields = mapping(call.get("function")) or mapping(call.get("custom"))
    return ToolCall(text_or_none(call.get("id")), text(fields.get("name")), _arguments(fields))


def _arguments(fields: dict[str, Any]) -> str:
    arguments = fields["input"] if "input" in fields else fields.get("arguments")
    return "" if arguments is None else json_text(arguments)


class _StreamedMessage:
    """Collects the pieces of one choice's message, and puts them together as a whole answer has them."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._thoughts: list[str] = []
        self._thoughts_from = ""  # the field; what others repeat of it is passed over
        self._has_thought = False
        self._refusal: list[str] = []
        self._audio: dict[str, list[str]] = {"id": [], "data": [], "transcript": []}
        self._images: list[Any] = []
        self._calls: list[_StreamedCall] = []
        self._calls_by_index: dict[int | None, _StreamedCall] = {}
        self._function_call = _StreamedCall()

    def add(self, choice: dict[str, Any], at_ms: float | None) -> list[Chunk]:
        said: Said = []
        for name, value in mapping(choice.get("delta")).items():
            if value:
                self._add(name, value, said)
        return [Chunk(at_ms, kind, piece) for kind, piece in said if piece]

    def _add(self, name: str, value: Any, said: Said) -> None:
        match name:
            case "content":
                self._add_content(value, said)
            case "reasoning_content" | "reasoning" | "reasoning_details":
                self._add_thought(name, value if isinstance(value, str) else _details_text(value), said)
            case "tool_calls":
                for each in sequence(value):
                    call = mapping(each)
                    fields = mapping(call.get("function")) or mapping(call.get("custom"))
                    self._call(call, fields).add(text_or_none(call.get("id")), fields, said)
            case "refusal":
                _collect(self._refusal, text(value), "refusal", said)
            case "audio":
                self._add_audio(mapping(value), said)
            case "images":
                self._images += sequence(value)
            case "function_call":
                self._function_call.add(None, mapping(value), said)

    def parts(self) -> list[Part]:
        message: dict[str, Any] = {
            "content": "".join(self._content),
            "refusal": "".join(self._refusal),
            "audio": {name: "".join(pieces) for name, pieces in self._audio.items() if pieces},
            "images": self._images,
            "tool_calls": [call.document() for call in self._calls],
        }
        if self._has_thought:
            message["reasoning_details"] = [{"text": "".join(self._thoughts)}]
        if self._function_call.is_begun:
            message["function_call"] = self._function_call.document()["function"]
        return _answer_parts(message)

    def _add_content(self, content: Any, said: Said) -> None:
        for part in content_parts(content):
            if isinstance(part, Text):
                _collect(self._content, part.text, "text", said)
            elif isinstance(part, Reasoning):
                self._add_thought("content", part.text, said)

    def _add_thought(self, name: str, thought: str, said: Said) -> None:
        self._has_thought = True
        self._thoughts_from = self._thoughts_from or (name if thought else "")
        if self._thoughts_from == name:
            _collect(self._thoughts, thought, "reasoning", said)

    def _add_audio(self, audio: dict[str, Any], said: Said) -> None:
        for name, pieces in self._audio.items():
            pieces.append(text(audio.get(name)))
        said.append(("text", self._audio["transcript"][-1]))

    def _call(self, piece: dict[str, Any], fields: dict[str, Any]) -> "_StreamedCall":
        """The call that a piece belongs to. Some servers give all calls one index, or none; a name begins a call."""
        place = piece.get("index")
        index = place if isinstance(place, int) else None
        call = self._calls_by_index.get(index)
        if call is None or (fields.get("name") and call.id and piece.get("id") not in (None, "", call.id)):
            call = _StreamedCall()
            if len(self._calls) < _CALLS_MAX:
                self._calls.append(call)
                self._calls_by_index[index] = call
        return call


class _StreamedCall:
    def __init__(self) -> None:
        self.id: str | None = None
        self._name = ""
        self._arguments: list[str] = []

    @property
    def is_begun(self) -> bool:
        return bool(self._name or self._arguments)

    def add(self, call_id: str | None, fields: dict[str, Any], said: Said) -> None:
        self.id = self.id or call_id
        if not self._name:
            self._name = text(fields.get("name"))
            said.append(("tool_call", self._name))
        _collect(self._arguments, _arguments(fields), "tool_call", said)

    def document(self) -> dict[str, Any]:
        return {"id": self.id, "function": {"name": self._name, "arguments": "".join(self._arguments)}}


def _collect(pieces: list[str], piece: str, kind: Kind, said: Said) -> None:
    pieces.append(piece)
    said.append((kind, piece))
