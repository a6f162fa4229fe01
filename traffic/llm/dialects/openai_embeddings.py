"""OpenAI's embeddings, which most local servers speak too: `.../embeddings`.

request     `input`: a text, or a list of texts, of tokens, or of lists of tokens; each is a user's message
answer      {"data": [{"embedding": [...]}], "model", "usage": {"prompt_tokens"}}; the vectors stay in the recording
"""

from typing import Any, Final

from traffic.llm.dialect import Answered, Asked, RequestView
from traffic.llm.dialects.openai_choices import ChoicesReader, read_whole
from traffic.llm.dialects.openai_completions import StreamedText
from traffic.llm.dialects.openai_content import prompts
from traffic.llm.dialects.openai_request import model, parameters, session
from traffic.llm.shapes import mapping

_SAID_ELSEWHERE: Final = frozenset({"model", "input"})


class OpenAIEmbeddings:
    name = "openai.embeddings"
    operation = "embeddings"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to("/embeddings", "input")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        name, source = session(document)
        return Asked(
            model=model(document),
            parameters=parameters(document, _SAID_ELSEWHERE),
            input=prompts(document.get("input")),
            session=name,
            session_source=source,
        )

    def answered(self, document: Any) -> Answered:
        return read_whole(document, lambda _: [])

    def stream(self) -> ChoicesReader:
        """There is none; what comes as one all the same may be an error."""
        return ChoicesReader(StreamedText)
