"""Exchanges with an LLM as a recorder sends them, and what the index says of them."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

from ingest_server.index.row import COLUMNS, Row
from ingest_server.index.schema import OtherVersionError, index_path, open_reader
from replay.verify import verify
from tests.ingest_server.recorder_side import JOURNAL, STARTED_NS, finished, request, response, started

PATIENCE_S = 60.0


def chat(number: int, path: str = "/v1/chat/completions", **fields: Any) -> bytes:
    """A whole exchange, as frames; `fields` replace those of the request."""
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}], **fields}
    said = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "answer"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    sent = _message(f"POST {path} HTTP/1.1\r\nHost: api.openai.com", asked)
    came = _message("HTTP/1.1 200 OK", said)
    at_ns = STARTED_NS + number * 1_000_000
    return (
        started(number, at_ns=at_ns)
        + request(number, sent)
        + response(number, came)
        + finished(number, request_bytes=len(sent), response_bytes=len(came))
    )


def _message(first_lines: str, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"{first_lines}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Link:
    """Sends exchanges to an ingest server, as one journal."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.at = 0
        self.sent = 0

    async def send(self, *exchanges: bytes) -> None:
        data = b"".join(exchanges)
        url = f"http://127.0.0.1:{self.port}/v1/journals/{JOURNAL}/{self.at}"
        async with aiohttp.ClientSession() as session, session.put(url, data=data) as reply:
            assert (reply.status, (await reply.json())["next"]) == (200, self.at + len(data))
        self.at += len(data)
        self.sent += len(exchanges)

    async def send_many(self, numbers: Iterable[int]) -> None:
        await self.send(*map(chat, numbers))


def rows(log_dir: Path) -> list[Row]:
    """What the index holds, the oldest first; [] where there is none."""
    try:
        database = open_reader(index_path(log_dir))
    except (FileNotFoundError, OtherVersionError):
        return []
    with closing(database):
        return [Row(*row) for row in database.execute(f"SELECT {COLUMNS} FROM exchanges ORDER BY at")]


async def until_indexed(log_dir: Path, count: int) -> None:
    """Also where the index is damaged at first. The indexer gives way to all that runs: it gets much time."""
    deadline = time.monotonic() + PATIENCE_S
    while _count(log_dir) != count:
        assert time.monotonic() < deadline, f"in vain: {count} exchanges are in the index, not {_count(log_dir)}"
        await asyncio.sleep(0.02)


def _count(log_dir: Path) -> int | None:
    try:
        return len(rows(log_dir))
    except sqlite3.DatabaseError:
        return None


def check(log_dir: Path, count: int) -> None:
    """All are recorded without a fault, and in the index as what they are."""
    report = verify(log_dir)
    assert report.faults == ()
    found = rows(log_dir)
    assert [row.stem for row in found] == sorted(path.name[:-14] for path in log_dir.glob("*_metadata.json"))
    assert len(found) == count
    assert {(row.dialect, row.model, row.input_tokens, row.is_open) for row in found} == {
        ("openai.chat", "gpt-4o", 5, 0)
    }
