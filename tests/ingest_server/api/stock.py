"""Four exchanges that a recorder sent, for the tests of the API: what is in their files is known to the byte."""

import gzip
import json
from dataclasses import dataclass

from tests.ingest_server.recorder_side import STARTED_NS, exchange_id, finished, request, response, started
from traffic.capture import names

ASKED = "What is the capital of France?"
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": ASKED}]}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}
CHUNKS = [
    {"id": "chatcmpl-2", "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "delta": {"content": "Par"}}]},
    {"id": "chatcmpl-2", "choices": [{"index": 0, "delta": {"content": "is."}, "finish_reason": "stop"}]},
]
EVENTS = [json.dumps(chunk) for chunk in CHUNKS] + ["[DONE]"]
STREAM = "".join(f"data: {event}\n\n" for event in EVENTS).encode()
PAGE = b"<html><script>alert(1)</script></html>"
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Stocked:
    number: int
    request: bytes
    response: bytes
    is_finished: bool = True

    @property
    def id(self) -> str:
        return exchange_id(self.number)

    @property
    def stem(self) -> str:
        return names.stem(self._started_ns, names.short_id(self.id))

    @property
    def _started_ns(self) -> int:
        return STARTED_NS + self.number * SECOND_NS

    @property
    def frames(self) -> bytes:
        data = started(self.number, at_ns=self._started_ns) + request(self.number, self.request)
        middle = len(self.response) // 2
        data += response(self.number, self.response[:middle])
        data += response(self.number, self.response[middle:], middle)
        if self.is_finished:
            data += finished(self.number, request_bytes=len(self.request), response_bytes=len(self.response))
        return data


def post(document: object) -> bytes:
    body = json.dumps(document).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def answer(body: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, f"Content-Length: {len(body)}", "", ""]).encode() + body


def chunked(body: bytes, *headers: str) -> bytes:
    """In chunks of ten bytes."""
    head = "\r\n".join(["HTTP/1.1 200 OK", *headers, "Transfer-Encoding: chunked", "", ""]).encode()
    pieces = [body[start : start + 10] for start in range(0, len(body), 10)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


CHAT = Stocked(1, post(QUESTION), answer(json.dumps(ANSWER).encode(), "Content-Type: application/json"))
STREAMED = Stocked(
    2,
    post(QUESTION | {"stream": True}),
    chunked(gzip.compress(STREAM), "Content-Type: text/event-stream; charset=utf-8", "Content-Encoding: gzip"),
)
PLAIN = Stocked(3, b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n", answer(PAGE, "Content-Type: text/html"))
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
OPEN = Stocked(4, STREAMED.request, _HEAD + b"data: 1", is_finished=False)
ALL = (CHAT, STREAMED, PLAIN, OPEN)
