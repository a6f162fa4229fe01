"""The three files of a made-up exchange, as an ingest server writes them, and what a decoder makes of them without
reading them: for stores that have too many exchanges to write the files of each. Called by make_store and cases.
"""

import hashlib
from typing import NamedTuple

import msgspec

from bench.made import Made
from traffic.capture import metadata, names
from traffic.capture.metadata import Durations, Metadata, ReceivedFields, RequestFields, ResponseFields
from traffic.llm.call import Cost, LlmCall, Message, ProviderError, Text, Timing, Usage
from traffic.llm.decode import Decoded

_REPORTED = {"input_tokens": "reported: usage.prompt_tokens", "output_tokens": "reported: usage.completion_tokens"}
_encode = msgspec.json.Encoder().encode


class Files(NamedTuple):
    metadata: bytes
    request: bytes
    response: bytes


def stem_of(made: Made) -> str:
    return names.stem(made.started_us * 1000, names.short_id(made.id))


def files_of(made: Made, events: int = 0) -> Files:
    """Of a chat with an API like OpenAI's; `events`: of a streamed answer, 0: a whole one."""
    request, response = _request(made, is_stream=events > 0), _response(made, events)
    return Files(metadata.encode(facts_of(made, request, response)), request, response)


def facts_of(made: Made, request: bytes = b"", response: bytes = b"") -> Metadata:
    url = f"http://localhost:5601/{made.route}/v1/chat/completions"
    started_at = names.iso(made.started_us * 1000)
    durations = Durations(None, made.duration_ms / 2, made.duration_ms)
    return Metadata(
        schema=1,
        id=made.id,
        route=made.route,
        pattern=f"/{made.route}/",
        method="POST",
        url=url,
        upstream_url="http://127.0.0.1:1234/v1/chat/completions",
        client="127.0.0.1:50123",
        started_at=started_at,
        completed=True,
        error=None,
        answered_by="upstream",
        durations_ms=durations,
        received=ReceivedFields(f"POST /{made.route}/v1/chat/completions HTTP/1.1", "localhost:5601", []),
        request=RequestFields(
            [("Content-Type", "application/json"), ("X-Session-Id", made.session)],
            len(request),
            hashlib.sha256(request).hexdigest(),
            [(0, 0.1)],
        ),
        response=ResponseFields(
            made.status,
            [("Content-Type", "application/json")],
            len(response),
            hashlib.sha256(response).hexdigest(),
            [(0, made.duration_ms / 2)],
        ),
        redactions=[],
        key=made.key,
        provider=made.provider,
    )


def decoded(made: Made) -> Decoded:
    messages = [
        message
        for prompt, answer in made.turns
        for message in (Message("user", (Text(prompt),)), Message("assistant", (Text(answer),)))
    ]
    failed = made.status >= 400
    usage = Usage() if failed else Usage(made.input_tokens, made.output_tokens, sources=_REPORTED)
    call = LlmCall(
        provider=made.provider,
        provider_source="route",
        dialect="openai.chat",
        operation="chat",
        model=made.model,
        response_model=None if failed else f"{made.model}-2026-07-01",
        response_id=None if failed else f"chatcmpl-{made.id}",
        input=tuple(messages[:-1]),
        output=() if failed else (messages[-1],),
        finish_reason=None if failed else "stop",
        usage=usage,
        cost=None if failed else Cost(made.cost_usd, "reported: usage.cost"),
        timing=Timing(made.duration_ms / 2),
        error=ProviderError("server_error", None, "it failed") if failed else None,
        session=made.session,
        session_source="header: x-session-id",
    )
    return Decoded(call, [])


def _request(made: Made, *, is_stream: bool) -> bytes:
    messages = [
        {"role": role, "content": text}
        for turn in made.turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    body = _encode({"model": made.model, "messages": messages[:-1], "stream": is_stream})
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:1234\r\nContent-Type: application/json\r\n"
        f"X-Session-Id: {made.session}\r\nContent-Length: {len(body)}\r\n"
        f"X-Proxy-Path: http://localhost:5601/{made.route}/v1/chat/completions\r\n\r\n"
    )
    return head.encode() + body


def _response(made: Made, events: int) -> bytes:
    if events and made.status == 200:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in _events(made, events))
        stream_head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        return stream_head + chunks + b"0\r\n\r\n"
    body = _encode({"error": {"message": "it failed", "type": "server_error"}} if made.status >= 400 else _answer(made))
    head = f"HTTP/1.1 {made.status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _answer(made: Made) -> dict[str, object]:
    message = {"role": "assistant", "content": made.answer}
    return {
        "id": f"chatcmpl-{made.id}",
        "object": "chat.completion",
        "model": f"{made.model}-2026-07-01",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(made),
    }


def _usage(made: Made) -> dict[str, object]:
    total = made.input_tokens + made.output_tokens
    tokens = {"prompt_tokens": made.input_tokens, "completion_tokens": made.output_tokens, "total_tokens": total}
    return {**tokens, "cost": made.cost_usd}


def _events(made: Made, count: int) -> list[bytes]:
    """`count` with text, one with the usage, and the end."""
    words = made.answer.split()
    documents: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": {"content": f" {words[number % len(words)]}"}}]} for number in range(count)
    ]
    documents += [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": _usage(made)},
    ]
    common = {"id": f"chatcmpl-{made.id}", "object": "chat.completion.chunk", "model": f"{made.model}-2026-07-01"}
    return [b"data: %b\n\n" % _encode(common | document) for document in documents] + [b"data: [DONE]\n\n"]
