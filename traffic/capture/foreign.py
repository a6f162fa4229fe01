"""The metadata of an exchange that was recorded by others: what its bytes alone tell, and null for what they do not.

Called by what reads such recordings.
"""

from hashlib import blake2b, sha256

from traffic.capture import metadata, names
from traffic.capture.metadata import Durations, Metadata, ReceivedFields, RequestFields, ResponseFields
from traffic.capture.recording import PROXY_PATH, read_recording
from traffic.http1.head import RequestHead, ResponseHead


def describe(request: bytes, response: bytes, started_ns: int, digits: str = "") -> Metadata:
    """`digits`: eight, with which the id begins; the same arguments give the same id. Raises ValueError where `request`
    does not begin with a request's head.
    """
    asked = read_recording(request)
    head = asked.head
    if head is None or isinstance(head, ResponseHead):
        raise ValueError("this is a response" if head is not None else asked.problems[0])
    answered = read_recording(response, head.method)
    status, headers = metadata.response_status(response) or (None, [])
    return Metadata(
        schema=metadata.SCHEMA,
        id=_id(request, response, started_ns, digits),
        route=None,
        pattern=None,
        method=head.method,
        url=_url(head),
        upstream_url=None,
        client="",
        started_at=names.iso(started_ns),
        completed=not asked.problems and not answered.problems,
        error=None,
        answered_by="upstream" if response else None,
        durations_ms=Durations(None, None, None),
        received=ReceivedFields(_text(head.raw.partition(b"\r\n")[0]), _text_or_none(head.value(b"host")), []),
        request=RequestFields(metadata.request_headers(request) or [], len(request), sha256(request).hexdigest(), []),
        response=ResponseFields(status, headers, len(response), sha256(response).hexdigest(), []),
        redactions=[],
    )


def _url(head: RequestHead) -> str:
    proxy_path, host = head.values(PROXY_PATH), head.value(b"host")
    if proxy_path:
        return _text(proxy_path[-1])
    return _text(b"http://" + host + head.target if host and head.target.startswith(b"/") else head.target)


def _id(request: bytes, response: bytes, started_ns: int, digits: str) -> str:
    """A UUID of version 8 (RFC 9562 §5.8)."""
    content = blake2b(started_ns.to_bytes(16, "big"), digest_size=16)
    content.update(sha256(request).digest() + sha256(response).digest())
    found = digits + content.hexdigest()[len(digits) :]
    return f"{found[:8]}-{found[8:12]}-8{found[13:16]}-a{found[17:20]}-{found[20:]}"


def _text_or_none(value: bytes | None) -> str | None:
    return None if value is None else _text(value)


def _text(value: bytes) -> str:
    return value.decode("latin-1")
