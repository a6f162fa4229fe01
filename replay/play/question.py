"""A request as far as matching looks at it: its method, its target, and its body without framing and compression.

The same for recordings and for what clients send. Two questions are the same where their keys are:

    target   path and query, without scheme and authority; values that the recorder redacts are one and the same
    body     JSON in one spelling (order of members, white space, escapes); a multipart body without its boundary,
             which clients draw anew each time; anything else as it is. A WebSocket's handshake has none.

No header counts, but those that say how to read the body. Called by library.py and by the connections.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from traffic.capture.recording import PROXY_PATH
from traffic.capture.redact import Redactor
from traffic.http1.content import read_chunked, read_compressed
from traffic.http1.head import RequestHead
from traffic.llm.documents import read_document

CONTENT_BYTES_MAX: Final = 64 * 1024 * 1024  # of what a compressed body unpacks to
_PLACEHOLDER: Final = re.compile(r"\[secret:[0-9a-f]{8}\]")
_SCHEME: Final = re.compile(r"(?:https?|wss?)://[^/?#]*", re.IGNORECASE)
_BOUNDARY: Final = re.compile(rb"""multipart/[^;]+;(?:.*;)?\s*boundary="?([^";,\s]+)""", re.IGNORECASE)
_NOT_READ: Final = object()  # a document may be None: JSON's null

_redactor = Redactor(b"of no recorder")
_spell = msgspec.json.Encoder(order="deterministic").encode


class NoDocumentError(ValueError):
    """The body is no JSON."""


class Question:
    __slots__ = ("_document", "content", "head", "method", "target")

    def __init__(self, head: RequestHead, body: bytes) -> None:
        self.head = head
        self.method = head.method
        self.target = shown_target(head.target)
        self.content = b"" if head.wants_websocket else _content(head, body)
        self._document: Any = _NOT_READ

    def document(self) -> Any:
        """Raises NoDocumentError."""
        if self._document is _NOT_READ:
            try:
                self._document = read_document(self.content)
            except (ValueError, RecursionError) as error:
                raise NoDocumentError(str(error)) from None
        return self._document

    def key(self) -> bytes:
        return key_of(self.method, self.target, self.spelling())

    def spelling(self) -> bytes:
        """The body in the form that is compared."""
        if self.head.wants_websocket:
            return b"a WebSocket"
        if self.content[:1] in (b"{", b"["):
            try:
                return spelled(self.document())
            except NoDocumentError:
                pass
        boundary = _BOUNDARY.match(self.head.value(b"content-type") or b"")
        return self.content.replace(boundary[1], b"boundary") if boundary else self.content


def key_of(method: str, target: str, spelling: bytes) -> bytes:
    return blake2b(f"{method} {target}\n".encode() + spelling, digest_size=16).digest()


def spelled(document: Any) -> bytes:
    """Raises NoDocumentError for what is nested too deeply."""
    try:
        return _spell(document)
    except (ValueError, RecursionError) as error:
        raise NoDocumentError(str(error)) from None


def recorded_targets(head: RequestHead) -> tuple[str, ...]:
    """Under which a recorded request is served: the upstream's, and the one that the client gave the recorder."""
    return tuple(dict.fromkeys(map(shown_target, (head.target, *head.values(PROXY_PATH)[-1:]))))


@lru_cache(512)
def shown_target(target: bytes) -> str:
    text = target.decode("latin-1")
    absolute = _SCHEME.match(text)
    if absolute is not None:
        text = text[absolute.end() :]
        text = text if text.startswith("/") else f"/{text}"
    shown, redactions = _redactor.url(text, "request")
    return _PLACEHOLDER.sub("[secret]", shown) if redactions or "[secret:" in shown else shown


def _content(head: RequestHead, body: bytes) -> bytes:
    if b"transfer-encoding" in head.present:
        body = read_chunked(body).data
    coding = b",".join(head.values(b"content-encoding")).decode("latin-1")
    if not coding or not body:
        return body
    unpacked = read_compressed(body, coding, CONTENT_BYTES_MAX)
    return unpacked.data if unpacked.problem is None else body  # of which the beginning alone could be another's
