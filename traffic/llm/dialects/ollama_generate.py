"""Ollama's own completion of a prompt: `.../api/generate`. It streams unless the request says `"stream": false`."""

from collections.abc import Iterator
from typing import Any, Final

from traffic.llm.call import Message, Text
from traffic.llm.dialect import Answered, Asked, RequestView, StreamReader
from traffic.llm.dialects.ollama_lines import Added, LineReader, images
from traffic.llm.shapes import mapping, text, text_or_none

_SAID_ELSEWHERE: Final = frozenset({"model", "prompt", "system", "images", "stream", "context"})


class OllamaGenerate:
    name = "ollama.generate"
    operation = "text_completion"
    framing = "ndjson"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to("/api/generate", "model")

    def asked(self, request: RequestView) -> Asked:
        """`context`, the tokens of an earlier answer, is no parameter to read: it stays in the recording."""
        document = mapping(request.document)
        return Asked(
            model=text_or_none(document.get("model")),
            stream=document.get("stream") is not False,
            parameters={name: value for name, value in document.items() if name not in _SAID_ELSEWHERE},
            input=tuple(_input(document)),
        )

    def answered(self, document: Any) -> Answered:
        reader = LineReader(_added)
        reader.take(document, None)
        return reader.answered()

    def stream(self) -> StreamReader:
        return LineReader(_added)


def _input(document: dict[str, Any]) -> Iterator[Message]:
    """Without a prompt, a request only loads the model."""
    system, prompt, shown = text(document.get("system")), text(document.get("prompt")), images(document.get("images"))
    if system:
        yield Message("system", (Text(system),))
    if prompt or shown:
        yield Message("user", (*([Text(prompt)] if prompt else []), *shown))


def _added(line: dict[str, Any]) -> Added:
    image = line.get("image")
    return Added(text(line.get("thinking")), text(line.get("response")), tuple(images([image] if image else [])))
