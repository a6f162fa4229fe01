"""Exchanges to export, one a second, and what a format makes of them."""

import io
import json
from typing import Any

import msgspec

from tests.traffic.llm.example import DECODER, Example, raw
from traffic.capture.exchange import RecordedExchange
from traffic.export.formats import FORMATS, LeftOut

PATH = "/v1/chat/completions"
KEY = "[secret:0123abcd]"


def id_of(number: int) -> str:
    return f"{number:08x}-8b1c-4e5f-9a2b-3c4d5e6f7a8b"


def numbered(number: int, exchange: RecordedExchange, **facts: Any) -> RecordedExchange:
    minute, second = divmod(number, 60)
    started_at = f"2026-09-13T{2 + minute // 60:02d}:{(11 + minute) % 60:02d}:{second:02d}.123456Z"
    changes = {"id": id_of(number), "started_at": started_at, **facts}
    return exchange._replace(metadata=msgspec.structs.replace(exchange.metadata, **changes))


def chat(number: int, *said: str, model: str = "gpt-4o", system: str | None = None, **facts: Any) -> RecordedExchange:
    """`said`: by the user and the assistant in turn; the last is the answer."""
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(said[:-1])]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return numbered(number, raw(Example(PATH, {"model": model, "messages": messages}, answer(said[-1]))), **facts)


def answer(text: str | None, finish_reason: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    return json.dumps({"id": "chatcmpl-1", "model": "gpt-4o", "choices": [choice], "usage": usage}).encode()


def plain(number: int) -> RecordedExchange:
    return numbered(number, raw(Example("/health", None, b'{"ok": true}')))


def export(name: str, *exchanges: RecordedExchange, **options: Any) -> tuple[bytes, LeftOut | None]:
    out = io.BytesIO()
    left_out = FORMATS[name].writer()(iter(exchanges), out, DECODER, **options)
    return out.getvalue(), left_out


def lines(name: str, *exchanges: RecordedExchange, **options: Any) -> list[Any]:
    return [json.loads(line) for line in export(name, *exchanges, **options)[0].splitlines()]
