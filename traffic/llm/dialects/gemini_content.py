"""What requests to Gemini's API and its answers are made of, in the normal form. Called by gemini.py and
gemini_embeddings.py.

    content     {"role", "parts": [part, ...]}, or a text
    part        text, a thought where it says `"thought": true`; functionCall, functionResponse; inlineData, fileData;
                executableCode, codeExecutionResult; toolCall, toolResponse of Google's own tools
    usage       usageMetadata: the prompt's tokens include cached ones, the candidates' do not include thoughts, and
                what Google's own tools put into the prompt is counted apart
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from traffic.llm.call import Media, Part, Reasoning, Text, ToolCall, ToolResult, Usage
from traffic.llm.dialect import RequestView
from traffic.llm.shapes import base64_bytes, count, json_text, mapping, text, text_or_none

_KINDS: Final[dict[str, Literal["image", "audio", "video", "file"]]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
}


def path_model(request: RequestView) -> str | None:
    return request.path.rpartition("/")[2].partition(":")[0] or None


def content_parts(content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        content = {"parts": [{"text": content}]}
    parts = mapping(content).get("parts")
    for part in map(mapping, parts if isinstance(parts, list) else [parts]):
        found = _part(part)
        if found is not None:
            yield found


def read_usage(value: Any) -> Usage:
    metadata = mapping(value)
    found: dict[str, Any] = {}
    sources = {}
    for ours, names in (
        ("input_tokens", ("promptTokenCount", "toolUsePromptTokenCount")),
        ("output_tokens", ("candidatesTokenCount", "thoughtsTokenCount")),
        ("cached_input_tokens", ("cachedContentTokenCount",)),
        ("reasoning_tokens", ("thoughtsTokenCount",)),
    ):
        counts = {name: tokens for name in names if (tokens := count(metadata.get(name))) is not None}
        if counts:
            found[ours] = sum(counts.values())
            kind = "derived" if len(counts) > 1 else "reported"
            sources[ours] = f"{kind}: {' + '.join(f'usageMetadata.{name}' for name in counts)}"
    return Usage(**found, sources=sources)


def either(document: dict[str, Any], name: str, other: str) -> Any:
    return document[name] if name in document else document.get(other)


def _part(part: dict[str, Any]) -> Part | None:
    """None: of no kind that is known."""
    words = text(part.get("text"))
    if words:
        return Reasoning(words) if part.get("thought") is True else Text(words)
    for name, value in part.items():
        read = _PARTS.get(name)
        if read is not None:
            return read(mapping(value))
    return None


def _call(call: dict[str, Any]) -> Part | None:
    name = text(call.get("name")) or text(call.get("toolType"))
    return ToolCall(text_or_none(call.get("id")), name, json_text(call.get("args", {}))) if name else None


def _response(response: dict[str, Any]) -> Part | None:
    name = text_or_none(response.get("name")) or text_or_none(response.get("toolType"))
    said = response.get("response")
    is_error = "error" in mapping(said)
    return ToolResult(text_or_none(response.get("id")), name, json_text(said), is_error)


def _code(code: dict[str, Any]) -> Part | None:
    return ToolCall(text_or_none(code.get("id")), "code_execution", json_text(code))


def _outcome(result: dict[str, Any]) -> Part | None:
    is_error = result.get("outcome") != "OUTCOME_OK"
    return ToolResult(text_or_none(result.get("id")), "code_execution", text(result.get("output")), is_error)


def _media(data: dict[str, Any]) -> Part | None:
    mime_type = text_or_none(either(data, "mimeType", "mime_type"))
    kind = _KINDS.get((mime_type or "").partition("/")[0], "file")
    reference = text(either(data, "fileUri", "file_uri"))
    if reference:
        return Media(kind, mime_type, reference)
    return Media(kind, mime_type, "inline", base64_bytes(text(data.get("data"))))


_PARTS: Final[dict[str, Callable[[dict[str, Any]], Part | None]]] = {
    "functionCall": _call,
    "function_call": _call,
    "toolCall": _call,
    "functionResponse": _response,
    "function_response": _response,
    "toolResponse": _response,
    "executableCode": _code,
    "codeExecutionResult": _outcome,
    "inlineData": _media,
    "inline_data": _media,
    "fileData": _media,
    "file_data": _media,
}
