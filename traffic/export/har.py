"""HAR 1.2, as browsers' tools and mitmproxy open it: an entry per exchange, as it passed between recorder and upstream.

    url, headers        as they went upstream; X-Proxy-Path, which the recorder adds, is no header of theirs
    text                without chunk framing and compression; base64 where it is no UTF-8: `encoding` says so, that of
                        a request, which HAR has no word for, is `_encoding`
    timings             `wait` is until the first byte of the answer, `send` is in it; a pooled connection, or one that
                        was not made, has `connect` -1
    status 0            no answer, as browsers have it; `_error` tells why, also of one that was cut
    _recording          the exchange's metadata, but the headers, which the entry has, and the arrivals of bytes that it
                        does not have
    _session            the name that the client gave to the conversation
    _webSocketMessages  as Chrome has them: what both sides said behind the 101

Read it is by har_read.py. Called by `recorder export` and `recorder import`.
"""

import base64
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.capture.recording import PROXY_PATH, Recording, read_recording
from traffic.export.foreign import Tell, refuse
from traffic.export.har_read import exchanges_of
from traffic.export.sent_request import absolute_url
from traffic.http1.head import RequestHead, ResponseHead
from traffic.http1.websocket import BINARY, TEXT, Message, messages_of
from traffic.llm.decode import Decoder
from traffic.llm.sessions import named_session

CREATOR: Final = "llm-flight-recorder"


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> None:  # noqa: ARG001 as all formats
    encode = msgspec.json.Encoder().encode
    creator = {"name": CREATOR, "version": _version_of_ours()}
    out.write(b'{"log":{"version":"1.2","creator":%b,"entries":[' % encode(creator))
    out.writelines((b",\n" if place else b"\n") + encode(_entry(each)) for place, each in enumerate(exchanges))
    out.write(b"\n]}}\n")


def read(source: BinaryIO, tell: Tell = refuse) -> Iterator[RecordedExchange]:
    """Raises FormatError; `tell` gets what is wrong with a single entry, which is then passed over."""
    return exchanges_of(source, tell)


def _version_of_ours() -> str:
    try:
        return version(CREATOR)
    except PackageNotFoundError:  # run from a checkout
        return "unknown"


def _entry(exchange: RecordedExchange) -> dict[str, Any]:
    facts = exchange.metadata
    request, response = read_recording(exchange.request), read_recording(exchange.response, facts.method)
    timings = _timings(facts)
    entry: dict[str, Any] = {
        "startedDateTime": facts.started_at,
        "time": sum(each for each in timings.values() if each > 0),
        "request": _request(facts, request),
        "response": _response(facts, response),
        "cache": {},
        "timings": timings,
        "_session": named_session({name.lower(): value for name, value in facts.request.headers}),
        "_recording": _metadata(facts),
    }
    if response.is_websocket:
        entry["_resourceType"] = "websocket"
        entry["_webSocketMessages"] = _messages(facts, request, response)
    return entry


def _metadata(facts: Metadata) -> Metadata:
    replace = msgspec.structs.replace
    return replace(
        facts,
        request=replace(facts.request, headers=[], arrivals=[]),
        response=replace(facts.response, headers=[], arrivals=[]),
    )


def _timings(facts: Metadata) -> dict[str, float]:
    """Milliseconds. -1 is for what does not apply; HAR knows it for these alone."""
    connect, first_byte, total = facts.durations_ms.connect, facts.durations_ms.first_byte, facts.durations_ms.total
    total = total or 0.0
    answered = min(first_byte, total) if first_byte is not None else total
    return {
        "blocked": -1,
        "dns": -1,
        "connect": connect if connect is not None else -1,
        "ssl": -1,
        "send": 0,
        "wait": max(0.0, answered - (connect or 0.0)),
        "receive": total - answered,
    }


def _request(facts: Metadata, recording: Recording) -> dict[str, Any]:
    head = recording.head if isinstance(recording.head, RequestHead) else None
    url = absolute_url(facts, head)
    fields = [field for field in head.fields if field[0].lower() != PROXY_PATH] if head is not None else []
    own = sum(len(name) + len(value) + 4 for name, value in head.fields if name.lower() == PROXY_PATH) if head else 0
    found: dict[str, Any] = {
        "method": facts.method,
        "url": url,
        "httpVersion": _version(head),
        "cookies": [],  # their values are secrets
        "headers": _headers(fields),
        "queryString": _query(url),
        "headersSize": len(recording.head_bytes) - own if head is not None else -1,
        "bodySize": 0 if recording.is_websocket else len(recording.body) if head is not None else -1,
    }
    if recording.content and not recording.is_websocket:
        text, encoding = _text(recording.content)
        found["postData"] = {"mimeType": _mime_type(head), "text": text}
        if encoding is not None:
            found["postData"]["_encoding"] = encoding
    return found


def _response(facts: Metadata, recording: Recording) -> dict[str, Any]:
    head = recording.head if isinstance(recording.head, ResponseHead) else None
    content: dict[str, Any] = {"size": 0, "mimeType": _mime_type(head) or "x-unknown"}
    size = 0
    if not recording.is_websocket:
        size = len(recording.body)
        text, encoding = _text(recording.content)
        content |= {"size": len(recording.content), "text": text}
        if encoding is not None:
            content["encoding"] = encoding
        if recording.problems:
            content["comment"] = "; ".join(recording.problems)
    found: dict[str, Any] = {
        "status": head.status if head is not None else 0,
        "statusText": head.reason.decode("latin-1") if head is not None else "",
        "httpVersion": _version(head),
        "cookies": [],
        "headers": _headers(head.fields) if head is not None else [],
        "content": content,
        "redirectURL": (head.value(b"location") or b"").decode("latin-1") if head is not None else "",
        "headersSize": len(recording.head_bytes) if head is not None else -1,
        "bodySize": size if head is not None else -1,
    }
    if facts.error is not None:
        found["_error"] = facts.error.name
    return found


def _version(head: RequestHead | ResponseHead | None) -> str:
    return "HTTP/{}.{}".format(*head.version) if head is not None else ""


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> list[dict[str, str]]:
    return [{"name": name.decode("latin-1"), "value": value.decode("latin-1")} for name, value in fields]


def _mime_type(head: RequestHead | ResponseHead | None) -> str:
    return ((head.value(b"content-type") if head is not None else None) or b"").decode("latin-1")


def _query(url: str) -> list[dict[str, str]]:
    pairs = parse_qsl(url.partition("#")[0].partition("?")[2], keep_blank_values=True)
    return [{"name": name, "value": value} for name, value in pairs]


def _text(content: bytes) -> tuple[str, str | None]:
    """And its encoding, where it is not text."""
    try:
        return content.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), "base64"


def _messages(facts: Metadata, request: Recording, response: Recording) -> list[dict[str, Any]]:
    """Of both directions, in the order in which they arrived."""
    said = [
        *_said("send", request, facts.request.arrivals),
        *_said("receive", response, facts.response.arrivals),
    ]
    started_s = datetime.fromisoformat(facts.started_at).astimezone(UTC).timestamp()
    return [
        {"type": kind, "time": started_s + at_ms / 1000, "opcode": message.opcode, "data": _message_text(message)}
        for at_ms, kind, message in sorted(said, key=lambda each: each[0])
    ]


def _said(kind: str, recording: Recording, arrivals: list[tuple[int, float]]) -> Iterator[tuple[float, str, Message]]:
    start = len(recording.head_bytes)
    offsets = [offset for offset, _ in arrivals]
    for message in messages_of(recording.body):
        if message.opcode in (TEXT, BINARY):
            read = bisect_right(offsets, start + message.end - 1) - 1
            yield (arrivals[read][1] if read >= 0 else 0.0), kind, message


def _message_text(message: Message) -> str:
    """As Chrome has it: base64 of what is binary."""
    if message.opcode == TEXT:
        return message.payload.decode("utf-8", "replace")
    return base64.b64encode(message.payload).decode()
