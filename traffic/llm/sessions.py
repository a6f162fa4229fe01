"""Which conversation a call belongs to: the name that its client gave it, and hashes by which the call that it
continues is found among earlier ones.

A client sends the whole conversation each time. So the call before is one whose messages are the beginning of these,
with an answer of the assistant behind:

    earlier call     user                                  request_hash = h(user), answer_hash = h(user assistant)
    this call        user assistant tool assistant user    prefixes: h(user assistant tool), h(user)

The hashes are the same in every process and version. They leave out what clients drop or change on the way: system
messages, reasoning, borders between messages of one role, white space around texts and in the JSON of arguments.
Called by the index, which keeps them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

from traffic.llm.call import LlmCall, Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

HEADER: Final = "x-session-id"
HEADER_SOURCE: Final = f"header: {HEADER}"
NAME_CHARACTERS_MAX: Final = 256
PREFIXES_MAX: Final = 64
_SPELLED_CHARACTERS_MAX: Final = 1024 * 1024  # of arguments: their values take many times as much memory

_arguments = msgspec.json.Encoder(order="deterministic").encode


class Prefix(NamedTuple):
    """Of the messages before an answer of the assistant."""

    request_hash: int  # as that of the call that was answered so
    answer_hash: int  # with that answer behind
    messages: int  # how many of the call's messages these are, the first ones
    answered: int  # with that answer


class SessionFacts(NamedTuple):
    """Hashes are signed, of 64 bits. None: there are no messages."""

    name: str | None  # that the client gave to the conversation
    source: str | None  # "header: x-session-id", "metadata.user_id", ...
    previous_response_id: str | None
    request_hash: int | None
    answer_hash: int | None  # of the request's messages and the answer's first; None: no answer
    prefixes: tuple[Prefix, ...]  # of the request, newest first


def named_session(headers: Mapping[str, str]) -> str | None:
    """What the client says in its header; `headers` by lower-case name. Also for exchanges that are no calls."""
    return headers.get(HEADER, "").strip()[:NAME_CHARACTERS_MAX] or None


def session_facts(call: LlmCall) -> SessionFacts:
    """What is embedded is no conversation, even where one begins with it."""
    messages = () if call.operation == "embeddings" else call.input
    return SessionFacts(
        call.session, call.session_source, call.previous_response_id, *_hashes(messages, call.output[:1])
    )


def _hashes(request: Iterable[Message], answer: Iterable[Message]) -> tuple[int | None, int | None, tuple[Prefix, ...]]:
    state = blake2b(digest_size=8)
    prefixes: list[Prefix] = []
    request_hash: int | None = None  # of what was read so far
    end = 0
    for role, said, run_end in _runs(request):
        before, messages, end = request_hash, end, run_end
        state.update(said)
        request_hash = _number(state)
        if role == "assistant" and before is not None:
            prefixes.append(Prefix(before, request_hash, messages, end))
    answer_hash: int | None = None
    for _, said, _ in _runs(answer):
        state.update(said)
        answer_hash = _number(state)
    return request_hash, answer_hash if request_hash is not None else None, tuple(prefixes[: -PREFIXES_MAX - 1 : -1])


def _runs(messages: Iterable[Message]) -> Iterator[tuple[str, bytes, int]]:
    """What is said in one role until another's turn, without what does not count; and how many messages that were, from
    the first on.
    """
    heard = [(end, message) for end, message in enumerate(messages, 1) if message.role != "system"]
    for role, run in groupby(heard, lambda each: each[1].role):
        turn = list(run)
        said = _said([part for _, message in turn for part in message.parts])
        if said:
            yield role, b"%b %d %b" % (role.encode(), len(said), said), turn[-1][0]


def _number(state: blake2b) -> int:
    return int.from_bytes(state.digest(), "big", signed=True)


def _said(parts: Iterable[Part]) -> bytes:
    """b"": nothing that counts."""
    fields: list[str] = []
    texts: list[str] = []  # that follow each other
    for part in parts:
        if isinstance(part, Text):
            texts.append(part.text)
        elif not isinstance(part, Reasoning):
            fields += _text(texts)
            fields += _FIELDS[type(part)](part)
            texts = []
    fields += _text(texts)
    return "\0".join(fields).encode("utf-8", "replace")


def _text(texts: list[str]) -> tuple[str, ...]:
    text = "".join(texts).strip()
    return ("text", text) if text else ()


def _compact(arguments: str) -> str:
    """JSON in one spelling; what is none, or is too large, as it is."""
    if len(arguments) > _SPELLED_CHARACTERS_MAX:
        return arguments.strip()
    try:
        return _arguments(msgspec.json.decode(arguments)).decode()
    except (ValueError, OverflowError, RecursionError, UnicodeError):
        return arguments.strip()


_FIELDS: Final[dict[type, Callable[[Any], tuple[str, ...]]]] = {
    Refusal: lambda part: ("refusal", part.text.strip()),
    ToolCall: lambda part: ("call", part.id or "", part.name, _compact(part.arguments)),
    ToolResult: lambda part: ("result", part.id or "", part.text.strip()),
    Media: lambda part: ("media", part.kind, part.reference, str(part.bytes)),
}
