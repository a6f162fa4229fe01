"""What requests to all of OpenAI's APIs have in common. Called by the dialects openai_*.py."""

from typing import Any, Final

from traffic.llm.shapes import mapping, text

# Fields that name a conversation, then those that name its user; the first that is there names the session.
# `prompt_cache_key` is none of them: it may stand for all that share the beginning of a prompt.
_SESSION: Final = (
    ("conversation",),
    ("conversation", "id"),
    ("session_id",),  # OpenRouter's
    ("metadata", "session_id"),
    ("metadata", "user_id"),
    ("user",),
    ("safety_identifier",),  # what OpenAI replaces `user` by
)


def session(document: dict[str, Any]) -> tuple[str, str] | tuple[None, None]:
    """The name that the client gave to the conversation, and where."""
    for path in _SESSION:
        value = document.get(path[0])
        if len(path) > 1:
            value = mapping(value).get(path[1])
        if isinstance(value, str) and value:
            return value, ".".join(path)
    return None, None


def parameters(document: dict[str, Any], said_elsewhere: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in said_elsewhere}


def is_stream(document: dict[str, Any]) -> bool:
    return document.get("stream") is True


def model(document: dict[str, Any]) -> str | None:
    return text(document.get("model")) or None
