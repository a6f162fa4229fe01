"""The bytes of answers that the recorder itself gives."""

from http import HTTPStatus


def encode_answer(
    status: int,
    body: bytes,
    *,
    method: str,
    closes: bool,
    content_type: bytes = b"text/plain; charset=utf-8",
    field: bytes | None = None,
) -> bytes:
    """A whole response; for HEAD without its body. `field` is one more header line.

    `closes` announces that the connection ends behind it.
    """
    lines = [
        b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode()),
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(body),
        b"X-Content-Type-Options: nosniff",
    ]
    if field is not None:
        lines.append(field)
    if closes:
        lines.append(b"Connection: close")
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    return head if method == "HEAD" else head + body
