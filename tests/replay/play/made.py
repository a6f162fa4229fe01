"""Recordings made up for tests of the player, each a second after the one before."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.exchange_files import write_exchange
from replay.play.library import Library
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import (
    Durations,
    ErrorFields,
    Metadata,
    ReceivedFields,
    RequestFields,
    ResponseFields,
    response_status,
)

CHAT = "/v1/chat/completions"
RECORDER = "http://localhost:5601/openai"

Times = Sequence[tuple[int, float]]  # offset, ms


def request(document: Any, target: str = CHAT, method: str = "POST", *lines: str) -> bytes:
    """As a client sends it; bytes as they stand."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = [f"{method} {target} HTTP/1.1", "Host: play.test", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def recorded(sent: bytes, url: str = RECORDER + CHAT) -> bytes:
    """A client's request as the recorder stores it."""
    return sent.replace(b"\r\n\r\n", f"\r\nX-Proxy-Path: {url}\r\n\r\n".encode(), 1)


def ok(body: bytes = b"fine", *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *lines, b"", body])


def chat(*said: str, **parameters: Any) -> dict[str, Any]:
    """A request of a conversation that the user began."""
    roles = ("user", "assistant")
    messages = [{"role": roles[turn % 2], "content": text} for turn, text in enumerate(said)]
    return {"model": "tiny", "messages": messages, **parameters}


def exchange(
    sent: bytes, answer: bytes, number: int = 0, arrivals: Times = ((0, 5.0),), **facts: Any
) -> RecordedExchange:
    """`facts`: fields of the metadata that are other than those of a whole exchange."""
    status, headers = response_status(answer) or (None, [])
    asked_at: Times = facts.pop("asked_at", ((0, 0.0),))
    made = Metadata(
        schema=1,
        id=str(uuid.UUID(int=(number + 1) << 96)),
        route="openai",
        pattern="/openai/",
        method=sent.partition(b" ")[0].decode("latin-1"),
        url=RECORDER + CHAT,
        upstream_url=None,
        client="127.0.0.1:50123",
        started_at=f"2026-09-13T02:11:{number:02d}.000000Z",
        completed=True,
        error=None,
        answered_by="upstream",
        durations_ms=Durations(1.0, 5.0, 10.0),
        received=ReceivedFields("", None, []),
        request=RequestFields([], len(sent), hashlib.sha256(sent).hexdigest(), list(asked_at)),
        response=ResponseFields(status, headers, len(answer), hashlib.sha256(answer).hexdigest(), list(arrivals)),
        redactions=[],
    )
    return RecordedExchange(msgspec.structs.replace(made, **facts), sent, answer)


def cut(name: str = "upstream_reset") -> dict[str, Any]:
    """The facts of an exchange whose upstream was cut."""
    return {"completed": False, "error": ErrorFields(name, "response_body", "upstream", "it closed its connection")}


def library(folder: Path, *exchanges: RecordedExchange) -> Library:
    folder.mkdir(exist_ok=True)
    for each in exchanges:
        write_exchange(folder, each)
    found = Library(folder)
    found.refresh()
    return found
