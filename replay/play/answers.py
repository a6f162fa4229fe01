"""Answers of the player's own: JSON in a shape whose message the SDKs of all providers show. Pure."""

from http import HTTPStatus
from typing import Final

import msgspec

from replay.play.miss import Miss

FIELD: Final = b"X-Recorder-Play: "  # the line that marks what no recording holds
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_TYPES: Final = {400: "invalid_request_error", 404: "not_found_error"}  # Anthropic's names


def miss_answer(miss: Miss, method: str, *, closes: bool) -> bytes:
    """404, which no SDK tries again."""
    nearest = {"nearest": miss.nearest, "differences": miss.differences, "ignore": miss.ignore}
    return _answer(404, b"miss", {"error": _error(404, "no_recording", miss.text), **nearest}, method, closes=closes)


def problem_answer(status: int, problem: str, method: str = "GET", *, closes: bool = True) -> bytes:
    return _answer(status, b"problem", {"error": _error(status, "refused", problem)}, method, closes=closes)


def _error(status: int, code: str, message: str) -> dict[str, str]:
    return {"type": _TYPES.get(status, "api_error"), "code": code, "message": message}


def _answer(status: int, mark: bytes, document: dict[str, object], method: str, *, closes: bool) -> bytes:
    body = msgspec.json.encode({"type": "error", **document}) + b"\n"
    lines = [
        b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        FIELD + mark,
        b"X-Content-Type-Options: nosniff",
    ]
    if closes:
        lines.append(b"Connection: close")
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    return head if method == "HEAD" else head + body
