"""Conversations for OpenAI's supervised fine-tuning: a line of `{"messages": [...], "tools": [...]}` each, ending with
the assistant's message.

Agents send their whole conversation with each call. Of those that continue each other the longest is kept: when all
are written, the lines of the others are taken out of the file. What is kept in memory is hashes, about 300 bytes a
conversation. Failed, cut and empty answers are no examples: they are left out and counted.
"""

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.export.formats import NO_CALL, LeftOut
from traffic.export.openai_messages import NoMessagesError, messages_of, tools_of
from traffic.llm.call import LlmCall
from traffic.llm.decode import BODY_BYTES_MAX, Decoder
from traffic.llm.request import read_request
from traffic.llm.sessions import session_facts

BEGINS_ANOTHER: Final = "the beginning of another"
SAME_AGAIN: Final = "the same as another"

_CHATS: Final = frozenset({"chat", "generate_content"})
# What providers say of an answer that a limit ended, or a filter.
_CUT: Final = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded", "content_filter", "safety"}
)

_Identity = tuple[bytes, int]  # of what the system says, and of the messages behind it


class _Line(NamedTuple):
    start: int
    size: int
    identity: _Identity


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> LeftOut:
    """`out`: an empty file that can be read again."""
    left_out: Counter[str] = Counter()
    lines: list[_Line] = []
    known: set[_Identity] = set()
    beginnings: set[_Identity] = set()
    start = 0
    for exchange in exchanges:
        try:
            call = _example(exchange, decoder)
            line = msgspec.json.encode(_conversation(exchange, call)) + b"\n"
            identity, begun = _identities(call)
        except NoMessagesError as reason:
            left_out[str(reason)] += 1
            continue
        if identity in known:
            left_out[SAME_AGAIN] += 1
            continue
        known.add(identity)
        beginnings |= begun
        out.write(line)
        lines.append(_Line(start, len(line), identity))
        start += len(line)
    kept = [line for line in lines if line.identity not in beginnings]
    _keep(kept, out)
    left_out[BEGINS_ANOTHER] += len(lines) - len(kept)
    return left_out


def _keep(kept: list[_Line], out: BinaryIO) -> None:
    """Move the lines up, one after the other."""
    end = 0
    for start, size, _ in kept:
        if start != end:
            out.seek(start)
            line = out.read(size)
            out.seek(end)
            out.write(line)
        end += size
    out.seek(end)
    out.truncate()


def _example(exchange: RecordedExchange, decoder: Decoder) -> LlmCall:
    decoded = decoder.decode(exchange)
    if decoded is None or decoded.call.operation not in _CHATS:
        raise NoMessagesError(NO_CALL if decoded is None else "no chat")
    call, facts = decoded.call, exchange.metadata
    if call.error is not None or (facts.response.status or 0) >= 400 or facts.answered_by == "recorder":
        raise NoMessagesError("a call that failed")
    if call.truncated or not facts.completed or (call.finish_reason or "").lower() in _CUT:
        raise NoMessagesError("an answer that was cut")
    if call.previous_response_id is not None or call.parameters.get("conversation"):
        raise NoMessagesError("a conversation that the provider keeps")
    return call


def _conversation(exchange: RecordedExchange, call: LlmCall) -> dict[str, Any]:
    messages = messages_of(call)
    if len(messages) < 2 or messages[-1]["role"] != "assistant" or not call.input:
        raise NoMessagesError("an empty answer")
    tools = tools_of(_document(exchange))
    return {"messages": messages, **({"tools": tools} if tools else {})}


def _document(exchange: RecordedExchange) -> Any:
    return read_request(exchange.metadata.method, exchange.request[:BODY_BYTES_MAX], BODY_BYTES_MAX, []).document


def _identities(call: LlmCall) -> tuple[_Identity, set[_Identity]]:
    """Of the conversation, and of those that are its beginnings."""
    found = session_facts(call)
    if found.answer_hash is None:
        raise NoMessagesError("an empty answer")
    said = "\0".join(message.text for message in call.input if message.role == "system")
    system = blake2b(said.encode("utf-8", "replace"), digest_size=8).digest()
    return (system, found.answer_hash), {(system, prefix.answer_hash) for prefix in found.prefixes}
