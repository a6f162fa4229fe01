"""Embeddings by Gemini's API: `.../models/MODEL:embedContent`, and several at once with `:batchEmbedContents`.

request     `content`, or `requests[].content`; each is a user's message
answer      `embedding` or `embeddings`, which stay in the recording; newer models tell usageMetadata
"""

from typing import Any, Final

from traffic.llm.call import Message
from traffic.llm.dialect import Answered, Asked, RequestView, StreamReader
from traffic.llm.dialects.gemini import Gemini
from traffic.llm.dialects.gemini_content import content_parts, path_model, read_usage
from traffic.llm.errors import provider_error
from traffic.llm.shapes import mapping, sequence

_METHODS: Final = (":embedContent", ":batchEmbedContents")
_SAID_ELSEWHERE: Final = frozenset({"model", "content", "requests"})


class GeminiEmbeddings:
    name = "gemini.embeddings"
    operation = "embeddings"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to(_METHODS, "content", "requests")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        contents = [mapping(each).get("content") for each in sequence(document.get("requests"))]
        contents += [document["content"]] if "content" in document else []
        return Asked(
            model=path_model(request),
            parameters={name: value for name, value in document.items() if name not in _SAID_ELSEWHERE},
            input=tuple(Message("user", tuple(content_parts(content))) for content in contents),
        )

    def answered(self, document: Any) -> Answered:
        usage = read_usage(mapping(document).get("usageMetadata"))
        return Answered(usage=usage, error=provider_error(document))

    def stream(self) -> StreamReader:
        """There is none; what comes as one all the same may be an error."""
        return Gemini().stream()
