"""Reads a request for the dialects: a stored one for decode.py; one whose head and document are at hand for replay."""

from typing import Any
from urllib.parse import parse_qsl, unquote

from traffic.capture.recording import read_recording
from traffic.http1.head import RequestHead
from traffic.llm.dialect import RequestView
from traffic.llm.documents import read_document


def read_request(method: str, raw: bytes, bytes_max: int, problems: list[str]) -> RequestView:
    recording = read_recording(raw, content_bytes_max=bytes_max)
    head = recording.head
    if not isinstance(head, RequestHead):
        return RequestView(method, "", {}, {}, None)
    document = None
    if recording.content:
        try:
            document = read_document(recording.content)
        except (ValueError, RecursionError) as error:
            problems.append(f"the request cannot be decoded: {'; '.join((*recording.problems, str(error)))}")
    return view_of(head, method, document)


def view_of(head: RequestHead, method: str, document: Any) -> RequestView:
    path, _, query = head.target.decode("latin-1").partition("?")
    if not path.startswith("/"):  # as sent through a proxy
        path = "/" + path.partition("://")[2].partition("/")[2]
    headers: dict[str, str] = {}
    for name, value in head.fields:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return RequestView(
        method,
        unquote(path) if "%" in path else path,
        dict(parse_qsl(query)) if query else {},
        headers,
        document,
    )
