"""What of a body says nothing about what was asked or answered, because it differs each time: ids, times, fingerprints.

    VOLATILE                       by dialect and side, the JSON paths that are masked always
    Masks(["response:..x"])        those, and the user's: what `--ignore` takes

    --ignore PATH                  in bodies of requests and of responses, and in decoded answers
    --ignore request:PATH          in bodies of requests alone; so `response:`, and `answer:` of decoded answers
    --ignore header:NAME           a header

A path of a response is for one document; of a stream it is for the JSON of each event. Called by what compares
exchanges, and by what plays recordings back.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args

from replay.json_path import DEPTH_MAX, JsonPath, JsonPathError, parse
from traffic.llm.documents import read_document

Side = Literal["request", "response", "answer"]  # "answer": as it is decoded, in one form for all

_TOO_DEEP: Final = f"the body is nested deeper than {DEPTH_MAX} levels"
_SIDES: Final[tuple[Side, ...]] = get_args(Side)
_PREFIXED: Final = re.compile(r"\s*(request|response|answer|header)\s*:\s*(.*)", re.DOTALL).fullmatch
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch

# Who asks, and under which key the provider caches: what is answered does not depend on it.
_OPENAI_CALLER: Final = ("user", "safety_identifier", "metadata", "prompt_cache_key", "session_id", "trace")
_OPENAI_MADE: Final = ("id", "created", "system_fingerprint", "service_tier", "obfuscation")
# What the servers add about themselves: llama.cpp, LM Studio, Groq, Cerebras; which host OpenRouter chose.
_SERVERS: Final = ("timings", "stats", "x_groq", "time_info", "provider")
_OLLAMA_MADE: Final = (
    "created_at",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
    "logprobs",
)

VOLATILE: Final[dict[str, dict[Literal["request", "response"], tuple[str, ...]]]] = {
    "openai.chat": {
        "request": (*_OPENAI_CALLER, "messages[*].tool_call_id", "messages[*].tool_calls[*].id"),
        "response": (
            *_OPENAI_MADE,
            *_SERVERS,
            "choices[*].logprobs",
            "choices[*]['message','delta'].tool_calls[*].id",
            "choices[*]['message','delta'].audio['id','expires_at']",
            "choices[*]['message','delta'].reasoning_details[*]['id','data','signature']",
        ),
    },
    "openai.completions": {
        "request": _OPENAI_CALLER,
        "response": (*_OPENAI_MADE, *_SERVERS, "choices[*].logprobs"),
    },
    "openai.responses": {
        "request": (
            *_OPENAI_CALLER,
            "client_metadata",
            "previous_response_id",
            "input[*]['id','call_id','encrypted_content']",
        ),
        "response": (
            "id",
            "created_at",
            "completed_at",
            "service_tier",
            "previous_response_id",
            *_OPENAI_CALLER,
            "output[*]['id','call_id','encrypted_content']",
            "output[*].content[*].logprobs",
            # of the events of a stream
            "obfuscation",
            "item_id",
            "item['id','call_id','encrypted_content']",
            "response['id','created_at','completed_at','service_tier','previous_response_id']",
            "response.output[*]['id','call_id','encrypted_content']",
        ),
    },
    "openai.embeddings": {"request": _OPENAI_CALLER, "response": (*_OPENAI_MADE, *_SERVERS)},
    "anthropic.messages": {
        "request": (
            "metadata",
            "messages[*].content[*]['id','tool_use_id','signature','data']",
            # where a prompt is cached up to, which moves along with the conversation
            "['system','tools'][*].cache_control",
            "messages[*].content[*].cache_control",
        ),
        "response": (
            "id",
            "request_id",
            "container",
            "content[*]['id','tool_use_id','signature','data']",
            # of the events of a stream
            "message['id','container']",
            "content_block['id','tool_use_id','signature','data']",
            "delta['signature','container']",
        ),
    },
    "gemini.generate_content": {
        "request": (
            "contents[*].parts[*]['thoughtSignature','thought_signature']",
            "contents[*].parts[*]['functionCall','function_call','functionResponse','function_response'].id",
        ),
        "response": (
            "responseId",
            "createTime",
            "candidates[*]['avgLogprobs','logprobsResult']",
            "candidates[*].content.parts[*]['thoughtSignature']",
            "candidates[*].content.parts[*].functionCall.id",
        ),
    },
    "ollama.chat": {
        "request": ("messages[*].tool_call_id", "messages[*].tool_calls[*].id"),
        "response": (*_OLLAMA_MADE, "message.tool_calls[*].id"),
    },
    "ollama.generate": {"request": ("context",), "response": (*_OLLAMA_MADE, "context")},
}


class Masks:
    """Raises JsonPathError where one of `ignored` is none."""

    def __init__(self, ignored: Iterable[str] = ()) -> None:
        self._ignored: dict[Side, list[JsonPath]] = {side: [] for side in _SIDES}
        headers: set[str] = set()
        for text in ignored:
            prefixed = _PREFIXED(text)
            prefix, path = prefixed.groups() if prefixed is not None else (None, text)
            if prefix == "header":
                headers.add(_header(path))
                continue
            for side in _SIDES:
                if prefix in (side, None):
                    self._ignored[side].append(parse(path))
        self.headers = frozenset(headers)  # in lower case

    @property
    def is_used(self) -> bool:
        """Whether the user ignores anything."""
        return bool(self.headers or any(self._ignored.values()))

    def paths(self, dialect: str | None, side: Side) -> tuple[JsonPath, ...]:
        """What to mask on that side. None, or a dialect that is not built in: the user's paths alone."""
        built_in = VOLATILE.get(dialect or "", {}).get(side, ()) if side != "answer" else ()
        return (*map(parse, built_in), *self._ignored[side])


def masked(document: Any, paths: Iterable[JsonPath]) -> Any:
    """A copy without what the paths meet: members of objects are gone, elements of lists are null. Raises JsonPathError
    where it is nested too deeply.
    """
    copy = _copied(document, DEPTH_MAX)
    for path in paths:
        path.mask(copy)
    return copy


def read_json(content: bytes) -> Any:
    """Raises ValueError where it is no JSON, or such as cannot be masked."""
    try:
        return _copied(read_document(content), DEPTH_MAX)
    except RecursionError:
        raise JsonPathError(_TOO_DEEP) from None


def _copied(value: Any, depth_max: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if not depth_max:
        raise JsonPathError(_TOO_DEEP)
    if isinstance(value, dict):
        return {name: _copied(member, depth_max - 1) for name, member in value.items()}
    return [_copied(element, depth_max - 1) for element in value]


def _header(name: str) -> str:
    if not _HEADER_NAME(name.strip()):
        raise JsonPathError(f"{name!r} is no name of a header: give header:content-type, for example")
    return name.strip().lower()
