"""Whether a connection may carry another exchange behind this one (RFC 9112 §9.3): pure. Called by exchange.py."""

from traffic.http1.head import RequestHead, ResponseHead
from traffic.http1.message import ResponseReader


def client_goes_on(request: RequestHead | None, response: ResponseHead | None, reader: ResponseReader | None) -> bool:
    """Whether the client can tell, with nothing added to the head, that another response may follow.

    `request` is None where it was refused; `response` is None where the recorder itself answers.
    """
    if request is None or not request.keeps_alive:
        return False
    if response is None or reader is None:
        return True
    return response.version == (1, 1) and not reader.body.ends_with_connection


def upstream_goes_on(request: RequestHead | None, response: ResponseHead, reader: ResponseReader) -> bool:
    """Whether nothing is left over on the upstream's connection, and both sides said that they would keep it."""
    if not reader.is_clean:
        return False
    return response.keeps_alive and request is not None and request.version == (1, 1)


def waits_for_continue(request: RequestHead | None) -> bool:
    """Whether the client may never send the body, once it has an answer (RFC 9110 §10.1.1)."""
    return request is not None and b"100-continue" in request.tokens(b"expect")
