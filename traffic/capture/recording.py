"""Reads a `_request.bin` or `_response.bin`: its heads, and its body with framing and compression taken off.

A recording may be cut anywhere, or hold what no parser accepts: what can be read is returned, and `problems` says, in
words for people, what is missing. Called by `recorder show`, by what decodes calls, and by replays.
"""

from dataclasses import dataclass

from traffic.http1.content import CONTENT_BYTES_MAX, read_chunked, read_compressed
from traffic.http1.framing import ChunkedBody, LengthBody, request_body, response_body
from traffic.http1.head import Head, HeadError, RequestHead, ResponseHead, head_end, parse_request_head
from traffic.http1.head import parse_response_head as parse_response
from traffic.http1.limits import UNLIMITED

_HEADS_MAX = 10_000  # of one response: each takes its time, and recorders let 100 interim ones pass
PROXY_PATH = b"x-proxy-path"  # the line that the recorder adds: the URL as the client called it


@dataclass(frozen=True, slots=True)
class Recording:
    head: RequestHead | ResponseHead | None  # None: cut or malformed
    head_bytes: bytes  # all heads as recorded, 1xx ones included; what is there of a cut or malformed one
    body: bytes  # as recorded
    content: bytes  # the body without chunk framing and compression
    trailers: bytes
    problems: tuple[str, ...]

    @property
    def is_websocket(self) -> bool:
        """Whether `body` is WebSocket frames."""
        if isinstance(self.head, RequestHead):
            return self.head.wants_websocket
        return self.head is not None and self.head.status == 101

    @property
    def content_type(self) -> str:
        value = self.head.value(b"content-type") if self.head is not None else None
        return (value or b"").decode("latin-1").lower()


def read_recording(raw: bytes, request_method: str = "GET", content_bytes_max: int = CONTENT_BYTES_MAX) -> Recording:
    """`request_method` is that of the request which a response answers: to HEAD there is no body."""
    try:
        head, start = _read_heads(raw)
    except HeadError as error:
        return _headless(raw, str(error))
    if head is None:
        return _headless(raw, "the recording ends inside the head" if raw else "nothing was recorded")
    body = raw[start:]
    content, trailers, problems = _read_body(head, body, request_method, content_bytes_max)
    return Recording(head, raw[:start], body, content, trailers, tuple(problems))


def _headless(raw: bytes, problem: str) -> Recording:
    return Recording(None, raw, b"", b"", b"", (problem,))


def _read_heads(raw: bytes) -> tuple[RequestHead | ResponseHead | None, int]:
    """The request's head, or the final one of a response, and where it ends."""
    end = head_end(raw)
    if end < 0:
        return None, 0
    if not raw.startswith(b"HTTP/"):
        return parse_request_head(raw[:end], UNLIMITED), end
    start = 0
    for _ in range(_HEADS_MAX):
        if end < 0:
            break
        head = parse_response(raw[start:end], UNLIMITED)
        if head.status >= 200 or head.status == 101:
            return head, end
        start, end = end, head_end(raw, end)
    return None, 0


def _read_body(
    head: RequestHead | ResponseHead, body: bytes, request_method: str, content_bytes_max: int
) -> tuple[bytes, bytes, list[str]]:
    """Content, trailers, problems."""
    framing = request_body(head) if isinstance(head, RequestHead) else response_body(head, request_method)
    trailers, problems = b"", []
    if isinstance(framing, ChunkedBody):
        chunks = read_chunked(body)
        body, trailers = chunks.data, chunks.trailers
        if not chunks.complete:
            problems.append("the body is cut: its last chunk is missing")
    elif isinstance(framing, LengthBody) and len(body) < framing.remaining:
        problems.append(f"the body is cut: {len(body):,} of {framing.remaining:,} bytes are here")
    coding = _content_encoding(head)
    if coding and body:
        unpacked = read_compressed(body, coding, content_bytes_max)
        body = unpacked.data
        if unpacked.problem is not None:
            problems.append(unpacked.problem)
    return body, trailers, problems


def _content_encoding(head: Head) -> str:
    return b",".join(head.values(b"content-encoding")).decode("latin-1")
