"""The upstream of `recorder demo`: a small server that speaks the dialects of LLM servers with made-up answers.

    POST /v1/chat/completions   OpenAI: JSON, or server-sent events with "stream": true
    POST /v1/messages           Anthropic: server-sent events
    POST /api/chat              Ollama: a JSON object per line

The model `cut` breaks off in the middle of a stream, the model `busy` answers 429. Called by commands/demo.py.
"""

import asyncio
import json
from collections.abc import Sequence

from aiohttp import web

WORDS = ("Every", " byte", " of", " this", " answer", " is", " recorded", ".")
PAUSE_S = 0.03  # between two pieces of a stream
CUT_AFTER = 4  # pieces of the model `cut`


def build_app() -> web.Application:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _openai_chat)
    app.router.add_post("/v1/messages", _anthropic_messages)
    app.router.add_post("/api/chat", _ollama_chat)
    return app


async def _openai_chat(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    if body["model"] == "busy":
        error = {"message": "Rate limit reached, try again in 20 s.", "type": "requests", "code": "rate_limit_exceeded"}
        return web.json_response({"error": error}, status=429, headers={"Retry-After": "20"})
    common = {"id": "chatcmpl-demo", "created": 1_700_000_000, "model": body["model"]}
    usage = {"prompt_tokens": 9, "completion_tokens": len(WORDS), "total_tokens": 9 + len(WORDS)}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": "".join(WORDS)}, "finish_reason": "stop"}
        return web.json_response({**common, "object": "chat.completion", "choices": [choice], "usage": usage})
    common["object"] = "chat.completion.chunk"
    deltas: list[dict[str, object]] = [
        {**common, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in WORDS
    ]
    last = {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    events = [f"data: {json.dumps(event)}\n\n" for event in [*deltas, last]] + ["data: [DONE]\n\n"]
    return await _stream(request, "text/event-stream", events, is_cut=body["model"] == "cut")


async def _anthropic_messages(request: web.Request) -> web.StreamResponse:
    model = (await request.json())["model"]
    message = {"id": "msg_demo", "type": "message", "role": "assistant", "model": model, "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    texts = [{"type": "text_delta", "text": word} for word in WORDS]
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        *({"type": "content_block_delta", "index": 0, "delta": text} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": len(WORDS)}},
        {"type": "message_stop"},
    ]
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return await _stream(request, "text/event-stream", lines)


async def _ollama_chat(request: web.Request) -> web.StreamResponse:
    common = {"model": (await request.json())["model"], "created_at": "2023-11-14T22:13:20Z"}
    objects = [{**common, "message": {"role": "assistant", "content": word}, "done": False} for word in WORDS]
    end = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    counts = {"total_duration": 240_000_000, "prompt_eval_count": 9, "eval_count": len(WORDS)}
    lines = [json.dumps(each) + "\n" for each in [*objects, {**common, **end, **counts}]]
    return await _stream(request, "application/x-ndjson", lines)


async def _stream(
    request: web.Request, content_type: str, pieces: Sequence[str], *, is_cut: bool = False
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    for piece in pieces[:CUT_AFTER] if is_cut else pieces:
        await response.write(piece.encode())
        await asyncio.sleep(PAUSE_S)
    if is_cut and request.transport is not None:
        request.transport.abort()
    return response
