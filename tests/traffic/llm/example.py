"""An exchange with an LLM as tests write it, and the files that the recorder and the ingest server make of it.

    Example("/v1/chat/completions", {"model": ...}, sse(first, second, b"[DONE]"), "text/event-stream")

`decode()` gives what the built-in dialects understand. What must hold of every example is in properties.py.
"""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import brotli  # type: ignore[import-untyped]  # its wheel carries no type information
import zstandard

from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Durations, Metadata, ReceivedFields, RequestFields, ResponseFields
from traffic.llm.decode import Decoded, Decoder
from traffic.llm.dialects import BUILT_IN

CODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "": lambda content: content,
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
DECODER: Final = Decoder(BUILT_IN)


class Example(NamedTuple):
    path: str  # upstream's, with its query
    asked: Any  # the request's document
    answer: bytes  # the response's content
    content_type: str = "application/json"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()  # of the request
    host: str = "llm.test"


def sse(*events: Any) -> bytes:
    """Server-sent events of documents, of (name, document) and, as they stand, of bytes: b"[DONE]", b": a comment"."""
    return b"".join(_event(event) for event in events)


def ndjson(*documents: Any) -> bytes:
    return b"".join(_json(document) + b"\n" for document in documents)


def raw(example: Example, coding: str = "", block_bytes: int = 100) -> RecordedExchange:
    """The files of an exchange. The response comes in chunks of `block_bytes`, one each millisecond."""
    pack = CODINGS[coding]
    asked = b"" if example.asked is None else pack(_json(example.asked))
    request_headers = [("Host", example.host), ("Content-Type", "application/json"), *example.headers]
    request_headers += [("Content-Encoding", coding)] if coding else []
    request_headers += [("Content-Length", str(len(asked)))]
    method = "GET" if example.asked is None else "POST"
    request = _head(f"{method} {example.path} HTTP/1.1", request_headers) + asked
    response_headers = [("Content-Type", example.content_type), ("Transfer-Encoding", "chunked")]
    response_headers += [("Content-Encoding", coding)] if coding else []
    response = _head(f"HTTP/1.1 {example.status} Told", response_headers)
    content = pack(example.answer)
    arrivals = [(0, 1.0)]
    for start in range(0, len(content), block_bytes):
        block = content[start : start + block_bytes]
        arrivals.append((len(response), float(len(arrivals) + 1)))
        response += b"%x\r\n%s\r\n" % (len(block), block)
    response += b"0\r\n\r\n"
    facts = Metadata(
        schema=1,
        id="092d0424-8b1c-4e5f-9a2b-3c4d5e6f7a8b",
        route="llm",
        pattern="/llm/",
        method=method,
        url=f"http://127.0.0.1:8080/llm{example.path}",
        upstream_url=f"https://{example.host}{example.path}",
        client="127.0.0.1:50123",
        started_at="2026-09-13T02:11:09.123456Z",
        completed=True,
        error=None,
        answered_by="upstream",
        durations_ms=Durations(None, 1.0, arrivals[-1][1]),
        received=ReceivedFields(f"{method} /llm{example.path} HTTP/1.1", "127.0.0.1:8080", []),
        request=RequestFields(request_headers, len(request), None, [(0, 0.0)]),
        response=ResponseFields(example.status, response_headers, len(response), None, arrivals),
        redactions=[],
    )
    return RecordedExchange(facts, request, response)


def decode(example: Example | RecordedExchange) -> Decoded:
    decoded = DECODER.decode(raw(example) if isinstance(example, Example) else example)
    assert decoded is not None, "no dialect recognises it"
    return decoded


def _event(event: Any) -> bytes:
    if isinstance(event, bytes):
        return (event if event.startswith(b":") else b"data: " + event) + b"\n\n"
    if isinstance(event, tuple):
        name, document = event
        return b"event: %s\ndata: %s\n\n" % (name.encode(), _json(document))
    return b"data: %s\n\n" % _json(event)


def _json(document: Any) -> bytes:
    """Bytes stand for themselves."""
    return document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()


def _head(first: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")
