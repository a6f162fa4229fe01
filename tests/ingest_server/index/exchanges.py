"""Exchanges for the index's tests, decoded as they would be from their files."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ingest_server.index.entry import Entry, entry_of
from tests.traffic.llm.example import DECODER, Example, raw
from traffic.capture import names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata

FIRST_NS = 1_789_265_469_000_000_000  # 2026-09-13T02:11:09Z
DECODED_BY = "decoder 1"


def exchange_id(number: int) -> str:
    """In which the number stands first, as `0000000c-...`."""
    return str(uuid.UUID(int=number << 96))


def stem_of(facts: Metadata) -> str:
    return f"{facts.started_at[:23].replace('T', '_').replace(':', '-')}_{names.short_id(facts.id)}"


def recorded(number: int, exchange: RecordedExchange, **facts: Any) -> RecordedExchange:
    """The same exchange with another id, started `number` milliseconds after the first."""
    started_at = names.iso(FIRST_NS + number * 1_000_000)
    metadata = replace(exchange.metadata, **{"id": exchange_id(number), "started_at": started_at, **facts})
    return exchange._replace(metadata=metadata)


def chat(
    number: int, said: Sequence[str], answer: str = "", headers: tuple[tuple[str, str], ...] = (), **asked: Any
) -> RecordedExchange:
    """A call of OpenAI's chat completions: what user and assistant said in turns, and the answer; "": there is none."""
    roles = ("user", "assistant")
    messages = [{"role": roles[turn % 2], "content": text} for turn, text in enumerate(said)]
    answered = {
        "id": f"chatcmpl-{number}",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }
    document = {"model": "gpt-4o", "messages": messages, **asked}
    from_server = answered if answer else {"error": {"message": "no", "type": "server_error"}}
    example = Example(
        "/v1/chat/completions",
        document,
        json.dumps(from_server).encode(),
        status=200 if answer else 500,
        headers=headers,
    )
    return recorded(number, raw(example))


def plain(
    number: int, path: str = "/files/1", headers: tuple[tuple[str, str], ...] = (), **facts: Any
) -> RecordedExchange:
    """An exchange that is no call to an LLM."""
    return recorded(number, raw(Example(path, None, b"hello", "text/plain", headers=headers)), **facts)


def entry(exchange: RecordedExchange, decoder: str = DECODED_BY) -> Entry:
    return entry_of(stem_of(exchange.metadata), exchange.metadata, DECODER.decode(exchange), decoder)
