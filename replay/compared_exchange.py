"""One exchange as compare.py looks at it: its heads, its bodies as documents, its call, and the facts of it.

A body is a document of JSON; else text, as JSON that is nested too deeply is; else a line that says how many bytes it
is, and their hash. None: there is none. A stream is the list of its events, or of a WebSocket's messages, each of them
a document.
"""

import secrets
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from replay.json_path import JsonPath
from replay.masks import masked, read_json
from traffic.capture.exchange import RecordedExchange
from traffic.capture.recording import Recording, read_recording
from traffic.capture.redact import Redactor
from traffic.capture.redact_exchange import redact_exchange
from traffic.http1.head import RequestHead, ResponseHead
from traffic.http1.websocket import BINARY, TEXT, FrameError, MessageReader
from traffic.llm.call import Usage
from traffic.llm.decode import BODY_BYTES_MAX, Decoder
from traffic.llm.events import EVENTS_MAX
from traffic.llm.streams import stream_of

_DOCUMENT_BYTES_MAX: Final = 8 * 1024 * 1024  # longer bodies are compared as bytes
_REDACTOR: Final = Redactor(secrets.token_bytes(16))  # for recordings of others, whose heads may hold secrets


class Facts(msgspec.Struct, frozen=True):
    """What is told of an exchange beside its differences; None: not known."""

    id: str
    started_at: str
    method: str
    url: str
    status: int | None
    model: str | None  # as asked
    response_model: str | None
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    ttft_ms: float | None
    tokens_per_s: float | None
    gap_p50_ms: float | None
    gap_p99_ms: float | None
    gap_max_ms: float | None
    total_ms: float | None


class Body(NamedTuple):
    document: Any
    is_stream: bool = False

    def masked(self, paths: Sequence[JsonPath]) -> Any:
        """Paths are for each event of a stream."""
        if not self.is_stream:
            return masked(self.document, paths)
        return [masked(event, paths) for event in self.document]


class ComparedExchange:
    def __init__(self, recorded: RecordedExchange, decoder: Decoder) -> None:
        recorded = redact_exchange(recorded, _REDACTOR)
        decoded = decoder.decode(recorded)
        self.metadata = recorded.metadata
        self.call = decoded.call if decoded is not None else None
        self._request = read_recording(recorded.request, content_bytes_max=BODY_BYTES_MAX)
        self._response = read_recording(recorded.response, recorded.metadata.method, BODY_BYTES_MAX)

    @property
    def dialect(self) -> str | None:
        return self.call.dialect if self.call is not None else None

    @property
    def is_answer_read(self) -> bool:
        """Whether a dialect found something in the answer."""
        call = self.call
        return call is not None and bool(call.output or call.finish_reason or call.error)

    @property
    def outcome(self) -> str:
        error = self.metadata.error
        if error is not None:
            return f"{error.name} in {error.phase}, by {error.by}"
        return "complete" if self.metadata.completed else "not ended"

    @property
    def target(self) -> str | None:
        head = self._request.head
        return head.target.decode("latin-1") if isinstance(head, RequestHead) else None

    @property
    def request_fields(self) -> list[tuple[str, str]]:
        return _fields(self._request.head)

    @property
    def response_fields(self) -> list[tuple[str, str]]:
        return _fields(self._response.head)

    @cached_property
    def request_body(self) -> Body:
        return Body(_messages(self._request), True) if self._request.is_websocket else Body(_document(self._request))

    @cached_property
    def response_body(self) -> Body:
        if self._response.is_websocket:
            return Body(_messages(self._response), True)
        stream = stream_of(self.metadata, self._response)
        if stream is None or len(self._response.content) > _DOCUMENT_BYTES_MAX:
            return Body(_document(self._response))
        return Body([_json_or_plain(event.data) for event in islice(stream.events, EVENTS_MAX)], True)

    @property
    def facts(self) -> Facts:
        call, metadata = self.call, self.metadata
        usage = call.usage if call is not None else Usage()
        timing = call.timing if call is not None else None
        return Facts(
            id=metadata.id,
            started_at=metadata.started_at,
            method=metadata.method,
            url=metadata.url,
            status=metadata.response.status,
            model=call.model if call is not None else None,
            response_model=call.response_model if call is not None else None,
            finish_reason=call.finish_reason if call is not None else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_usd=call.cost.usd if call is not None and call.cost is not None else None,
            ttft_ms=timing.ttft_ms if timing is not None else None,
            tokens_per_s=timing.tokens_per_s if timing is not None else None,
            gap_p50_ms=timing.gap_p50_ms if timing is not None else None,
            gap_p99_ms=timing.gap_p99_ms if timing is not None else None,
            gap_max_ms=timing.gap_max_ms if timing is not None else None,
            total_ms=metadata.durations_ms.total,
        )


def _fields(head: RequestHead | ResponseHead | None) -> list[tuple[str, str]]:
    if head is None:
        return []
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields]


def _document(recording: Recording) -> Any:
    if recording.head is None:  # cut, or malformed: what is there
        return _plain(recording.head_bytes)
    if len(recording.content) > _DOCUMENT_BYTES_MAX:
        return _hashed(recording.content)
    return _json_or_plain(recording.content)


def _messages(websocket: Recording) -> list[Any]:
    """What its frames say, as far as they go."""
    try:
        messages = MessageReader().feed(websocket.body[:_DOCUMENT_BYTES_MAX])
    except FrameError:
        return [_hashed(websocket.body)]
    return [_json_or_plain(message.payload) for message in messages if message.opcode in (TEXT, BINARY)]


def _json_or_plain(content: bytes) -> Any:
    try:
        return read_json(content) if content else None
    except ValueError:
        return _plain(content)


def _plain(content: bytes) -> str | None:
    if not content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return _hashed(content)


def _hashed(content: bytes) -> str | None:
    return f"{len(content):,} bytes, SHA-256 {sha256(content).hexdigest()}" if content else None
