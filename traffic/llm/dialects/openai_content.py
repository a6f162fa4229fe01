"""Messages and tools as OpenAI's APIs write them, in the normal form. Called by the dialects openai_*.py.

content     text, or a list of parts: text, input_text, output_text, refusal, image_url, input_image, input_audio, file,
            input_file, thinking (Mistral's), logs (of a tool)
tools       {"type": "function", "function": {...}}, {"type": "function", "name": ...}, {"type": "web_search"}, ...
"""

from typing import Any, Final, Literal

from traffic.llm.call import Media, Message, Part, Reasoning, Refusal, Role, Text, Tool
from traffic.llm.shapes import base64_bytes, mapping, sequence, text, text_or_none

ROLES: Final[dict[Any, Role]] = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}

MediaKind = Literal["image", "audio", "video", "file"]
_MEDIA: Final[dict[str, MediaKind]] = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "computer_screenshot": "image",
    "video_url": "video",
    "input_audio": "audio",
    "file": "file",
    "input_file": "file",
}


def role(name: Any) -> Role:
    return ROLES.get(name, "user") if isinstance(name, str) else "user"


def content_parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)] if content else []
    return [part for each in sequence(content) if (part := _part(each)) is not None]


def content_text(content: Any) -> str:
    return "".join(part.text for part in content_parts(content) if isinstance(part, Text))


def prompts(value: Any) -> tuple[Message, ...]:
    """A text, or a list of texts, of token numbers, or of lists of these: a message for each; numbers tell no text."""
    if value is None:
        return ()
    each = value if isinstance(value, list) and any(isinstance(one, str | list) for one in value) else [value]
    return tuple(Message("user", (Text(one),) if isinstance(one, str) else ()) for one in each)


def _part(part: Any) -> Part | None:
    if isinstance(part, str):
        return Text(part)
    part = mapping(part)
    kind = text(part.get("type"))
    if kind in _MEDIA:
        return _media(_MEDIA[kind], part, part.get(kind))
    if kind == "refusal":
        return Refusal(text(part.get("refusal")))
    if kind == "thinking":
        return Reasoning(content_text(part.get("thinking")))
    said = text_or_none(part.get("logs" if kind == "logs" else "text"))
    return Text(said) if said is not None else None


def _media(kind: MediaKind, part: dict[str, Any], inner: Any) -> Media:
    """Chat puts what it is into an object of the part's own name, Responses into the part."""
    if isinstance(inner, str):
        inner = {"url": inner}
    fields = part | mapping(inner)
    data = text(fields.get("data")) or text(fields.get("file_data"))
    url = text(fields.get("url")) or text(fields.get("image_url")) or text(fields.get("file_url"))
    if not data and url.startswith("data:"):
        data = url
    if data:
        return inline_media(kind, data, text_or_none(fields.get("format")))
    return Media(kind, None, url or text(fields.get("file_id")) or text(fields.get("filename")))


def inline_media(kind: MediaKind, data: str, audio_format: str | None = None) -> Media:
    """`data`: base64, or a URL that holds it (RFC 2397)."""
    head, comma, payload = data.partition(",") if data.startswith("data:") else ("", "", data)
    mime_type = head.removeprefix("data:").partition(";")[0] if comma else audio_format and f"audio/{audio_format}"
    return Media(kind, mime_type or None, "inline", base64_bytes(payload))


def tools(*lists: Any) -> tuple[Tool, ...]:
    return tuple(_tool(mapping(tool)) for each in lists for tool in sequence(each))


def _tool(tool: dict[str, Any]) -> Tool:
    fields = mapping(tool.get("function")) or mapping(tool.get("custom")) or tool
    name = text(fields.get("name")) or text(fields.get("server_label")) or text(fields.get("type"))
    return Tool(name, text_or_none(fields.get("description")))
