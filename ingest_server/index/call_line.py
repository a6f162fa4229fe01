"""The line of JSON that `logging.metrics` prints for a call that has ended. Pure; called by the indexer."""

from bisect import bisect_right
from typing import Final

import msgspec

from ingest_server.index.summary import ExchangeSummary, newest_prompt
from traffic.llm.call import LlmCall

LINE_BYTES_MAX: Final = 4096  # what a pipe takes in one piece at least, POSIX: PIPE_BUF is 4096 on Linux

_encode = msgspec.json.Encoder().encode


class _Line(msgspec.Struct):
    model: str | None
    prompt: str  # the newest; cut, with "…" at its end, where the line would be too long
    prompt_tokens: int | None
    completion_tokens: int | None
    latency_ms: float | None
    timestamp: str


def call_line(exchange: ExchangeSummary, call: LlmCall) -> bytes:
    """With its line end; `call` is what `exchange` sums up."""
    prompt = newest_prompt(call)

    def line(length: int) -> bytes:
        text = prompt if length >= len(prompt) else prompt[:length] + "…"
        usage = call.usage
        return (
            _encode(
                _Line(
                    (call.model or call.response_model or "")[:200] or None,
                    text,
                    usage.input_tokens,
                    usage.output_tokens,
                    exchange.duration_ms,
                    exchange.started_at,
                )
            )
            + b"\n"
        )

    whole = line(len(prompt)) if len(prompt) < LINE_BYTES_MAX else None
    if whole is not None and len(whole) <= LINE_BYTES_MAX:
        return whole
    lengths = range(min(len(prompt), LINE_BYTES_MAX))
    return line(max(0, bisect_right(lengths, LINE_BYTES_MAX, key=lambda length: len(line(length))) - 1))
