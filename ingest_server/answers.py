"""How the ingest server answers: JSON, or one line of plain text where something is wrong. Called by all endpoints."""

import msgspec
from aiohttp import web

_encode = msgspec.json.Encoder().encode


class AnswerError(Exception):
    """A request that gets no more than a line of text, which says what is wrong and what to do."""

    def __init__(self, status: int, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


def plain_text(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers=headers)


def json(status: int, fields: object) -> web.Response:
    return web.Response(status=status, body=_encode(fields), content_type="application/json")
