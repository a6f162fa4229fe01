"""Reads what a provider says instead of an answer. Called by the dialects.

One reader for all: what stands between a client and a model (a gateway, a web server) answers in its own way,
whatever dialect it is asked in.

    {"error": {"message", "type", "code"}}               OpenAI and those who speak like it
    {"type": "error", "error": {"type", "message"}}      Anthropic
    {"error": {"code", "message", "status"}}             Google; in a list, where the answer would have been one
    {"error": "..."}                                     Ollama, llama.cpp
    {"object": "error", "message", "type", "code"}       vLLM, earlier
    {"detail": "..."}, {"message": "..."}                web frameworks, gateways
"""

from typing import Any, Final

from traffic.llm.call import ProviderError
from traffic.llm.shapes import json_text, mapping, text, text_or_none

_OF_ERRORS: Final = frozenset({"detail", "message", "status", "code", "request_id"})


def provider_error(document: Any) -> ProviderError | None:
    """None: it is no error. An answer that holds `"error": null` is none."""
    if isinstance(document, list):
        document = document[0] if len(document) == 1 else None
    document = mapping(document)
    error = document.get("error")
    if error:
        return _named(error)
    if "error" in (document.get("type"), document.get("object")) or not document.keys() - _OF_ERRORS:
        words = document.get("detail") or text(document.get("message"))
        kind = text_or_none(document.get("type"))
        return (
            ProviderError(None if kind == "error" else kind, _code(document.get("code")), json_text(words))
            if words
            else None
        )
    return None


def _named(error: Any) -> ProviderError:
    if isinstance(error, dict):
        kind = text_or_none(error.get("type")) or text_or_none(error.get("status"))
        return ProviderError(kind, _code(error.get("code")), text(error.get("message")))
    return ProviderError(None, None, json_text(error))


def _code(value: Any) -> str | None:
    return None if value is None else json_text(value)
