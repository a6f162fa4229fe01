"""OpenAI's legacy completions, as vLLM, llama.cpp, LM Studio and others still speak them: `.../completions`.

request     `prompt`: a text, or a list of texts, of tokens, or of lists of tokens; each prompt is a user's message
answer      choices[].text; of several prompts, the choices of each follow each other
"""

from typing import Any, Final

from traffic.llm.call import Chunk, Part, Text
from traffic.llm.dialect import Answered, Asked, RequestView
from traffic.llm.dialects.openai_choices import ChoicesReader, read_whole
from traffic.llm.dialects.openai_content import prompts
from traffic.llm.dialects.openai_request import is_stream, model, parameters, session
from traffic.llm.shapes import mapping, text

_SAID_ELSEWHERE: Final = frozenset({"model", "prompt", "stream"})


class OpenAICompletions:
    name = "openai.completions"
    operation = "text_completion"
    framing = "sse"

    def matches(self, request: RequestView) -> bool:
        return request.posts_to("/completions", "prompt")

    def asked(self, request: RequestView) -> Asked:
        document = mapping(request.document)
        name, source = session(document)
        return Asked(
            model=model(document),
            stream=is_stream(document),
            parameters=parameters(document, _SAID_ELSEWHERE),
            input=prompts(document.get("prompt")),
            session=name,
            session_source=source,
        )

    def answered(self, document: Any) -> Answered:
        return read_whole(document, lambda choice: _parts(text(choice.get("text"))))

    def stream(self) -> ChoicesReader:
        return ChoicesReader(StreamedText)


class StreamedText:
    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, choice: dict[str, Any], at_ms: float | None) -> list[Chunk]:
        piece = text(choice.get("text"))
        self._pieces.append(piece)
        return [Chunk(at_ms, "text", piece)] if piece else []

    def parts(self) -> list[Part]:
        return _parts("".join(self._pieces))


def _parts(said: str) -> list[Part]:
    return [Text(said)] if said else []
