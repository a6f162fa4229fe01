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

_SAID_ELSEWHERE: Final = frozenset({"model", "messages", "tools", "functions", "stream"})


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
    details = sequence(message.get("reasoning_details"))
    return "".join(_detail_text(mapping(each)) for each in details) if details else None


def _detail_text(detail: dict[str, Any]) -> str:
    return text(detail.get("text")) or text(detail.get("summary"))


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
        self._refusal: list[str] = []
        self._audio: dict[str, list[str]] = {"id": [], "data": [], "transcript": []}
        self._images: list[Any] = []
        self._calls: list[_StreamedCall] = []
        self._calls_by_index: dict[Any, _StreamedCall] = {}
        self._function_call = _StreamedCall()

    def add(self, choice: dict[str, Any], at_ms: float | None) -> list[Chunk]:
        delta = mapping(choice.get("delta"))
        chunks: list[Chunk] = []
        thought = _thought(delta)
        if thought is not None:
            _collect(self._thoughts, thought, "reasoning", at_ms, chunks)
        for part in content_parts(delta.get("content")):
            if isinstance(part, Text):
                _collect(self._content, part.text, "text", at_ms, chunks)
            elif isinstance(part, Reasoning):
                _collect(self._thoughts, part.text, "reasoning", at_ms, chunks)
        if refusal := text(delta.get("refusal")):
            _collect(self._refusal, refusal, "refusal", at_ms, chunks)
        if audio := mapping(delta.get("audio")):
            self._add_audio(audio, at_ms, chunks)
        if images := delta.get("images"):
            self._images += sequence(images)
        for each in sequence(delta.get("tool_calls")):
            call = mapping(each)
            fields = mapping(call.get("function")) or mapping(call.get("custom"))
            chunks += self._call(call, fields).add(text_or_none(call.get("id")), fields, at_ms)
        if function_call := mapping(delta.get("function_call")):
            chunks += self._function_call.add(None, function_call, at_ms)
        return chunks

    def parts(self) -> list[Part]:
        message: dict[str, Any] = {
            "content": "".join(self._content),
            "refusal": "".join(self._refusal),
            "audio": {name: "".join(pieces) for name, pieces in self._audio.items() if pieces},
            "images": self._images,
            "tool_calls": [call.document() for call in self._calls],
        }
        if self._thoughts:
            message["reasoning_details"] = [{"text": "".join(self._thoughts)}]
        if self._function_call.is_begun:
            message["function_call"] = self._function_call.document()["function"]
        return _answer_parts(message)

    def _add_audio(self, audio: dict[str, Any], at_ms: float | None, chunks: list[Chunk]) -> None:
        for name, pieces in self._audio.items():
            if piece := text(audio.get(name)):
                pieces.append(piece)
        _collect([], text(audio.get("transcript")), "text", at_ms, chunks)

    def _call(self, piece: dict[str, Any], fields: dict[str, Any]) -> "_StreamedCall":
        """The call that a piece belongs to. Some servers give all calls one index, or none; a name begins a call."""
        index = piece.get("index")
        call = self._calls_by_index.get(index) if isinstance(index, int | None) else None
        if call is None or (fields.get("name") and call.id and piece.get("id") not in (None, "", call.id)):
            call = _StreamedCall()
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

    def add(self, call_id: str | None, fields: dict[str, Any], at_ms: float | None) -> list[Chunk]:
        chunks: list[Chunk] = []
        self.id = self.id or call_id
        if not self._name and (name := text(fields.get("name"))):
            self._name = name
            chunks.append(Chunk(at_ms, "tool_call", name))
        _collect(self._arguments, _arguments(fields), "tool_call", at_ms, chunks)
        return chunks

    def document(self) -> dict[str, Any]:
        return {"id": self.id, "function": {"name": self._name, "arguments": "".join(self._arguments)}}


def _collect(pieces: list[str], piece: str, kind: Kind, at_ms: float | None, chunks: list[Chunk]) -> None:
    pieces.append(piece)
    if piece:
        chunks.append(Chunk(at_ms, kind, piece))
