"""OpenAI's Responses API, as OpenAI, OpenRouter, LM Studio, vLLM and llama.cpp speak it: `.../responses`.

request     `input`: a text, or items (openai_items.py); `instructions`; tools[]; `previous_response_id` or
            `conversation` stands for what was said before
answer      openai_response.py
"""

from typing import Any, Final

from traffic.llm.call import Message, Role, Text
from traffic.llm.dialect import Answered, Asked, RequestView, StreamReader
from traffic.llm.dialects.openai_content import tools
from traffic.llm.dialects.openai_items import messages
from traffic.llm.dialects.openai_request import is_stream, model, parameters, session
from traffic.llm.dialects.openai_response import ResponseReader, read_response
from traffic.llm.shapes import mapping, sequence, text

_SAID_ELSEWHERE: Final = frozenset({"model", "input", "instructions", "tools", "stream"})


class OpenAIResponses:
    name = "openai.responses"
    operation = "chat"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to("/responses", "input", "prompt", "previous_response_id", "conversation")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        name, source = session(document)
        return Asked(
            model=model(document),
            stream=is_stream(document),
            parameters=parameters(document, _SAID_ELSEWHERE),
            tools=tools(document.get("tools")),
            input=_said(document.get("instructions"), "system") + _said(document.get("input"), "user"),
            session=name,
            session_source=source,
            previous_response_id=text(document.get("previous_response_id")) or None,
        )

    def answered(self, document: Any) -> Answered:
        return read_response(document)

    def stream(self) -> StreamReader:
        return ResponseReader()


def _said(what: Any, who: Role) -> tuple[Message, ...]:
    if isinstance(what, str):
        return (Message(who, (Text(what),)),) if what else ()
    return messages(sequence(what))
