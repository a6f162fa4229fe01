"""The only code that edits a head: what a proxy must change on the way, and nothing else.

Lines keep their order, case, spacing and bytes. Removed in either direction (RFC 9110 §7.6.1): Connection and the fields
it names, Proxy-Connection, Proxy-Authorization, Keep-Alive, TE, and Upgrade, except for a WebSocket handshake, whose
Connection and Upgrade lines are the message. Fields that frame or address a message are never removed, even where
Connection names them. `lines` are a head's lines without their CRLF, the start line first.
"""

from dataclasses import dataclass

from .head import Head, RequestHead, ResponseHead

_HOP_BY_HOP = frozenset(
    [b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"te", b"upgrade"],
)
_NEVER_REMOVED = frozenset([b"host", b"content-length", b"transfer-encoding", b"trailer"])
_WEBSOCKET_CONNECTION = frozenset([b"upgrade", b"keep-alive"])


@dataclass(slots=True)
class Rewritten:
    lines: list[bytes]
    removed: list[tuple[bytes, bytes]]  # name and value of each removed field, in order

    @property
    def raw(self) -> bytes:
        return join_lines(self.lines)


def split_lines(raw: bytes) -> list[bytes]:
    """The lines of a head that ends with its empty line."""
    return raw[:-4].split(b"\r\n")


def join_lines(lines: list[bytes]) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


def rewrite_request(head: RequestHead, target: bytes, host: bytes | None, via: bytes | None = None) -> Rewritten:
    """The head for the upstream: its `target` and `host` (None keeps the client's Host line), `via` added as Via."""
    rewritten = _without_hop_by_hop(head, is_websocket=head.wants_websocket)
    lines = rewritten.lines
    method, _, version = lines[0].split(b" ")
    lines[0] = b"%b %b %b" % (method, target, version)
    if host is not None:
        _set_host(head, lines, host)
    if via is not None:
        lines.append(b"Via: " + via)
    return rewritten


def rewrite_response(head: ResponseHead, via: bytes | None = None) -> Rewritten:
    """The head for the client."""
    rewritten = _without_hop_by_hop(head, is_websocket=head.status == 101)
    if via is not None:
        rewritten.lines.append(b"Via: " + via)
    return rewritten


def _without_hop_by_hop(head: Head, *, is_websocket: bool) -> Rewritten:
    lines = split_lines(head.raw)
    if _HOP_BY_HOP.isdisjoint(head.positions):
        return Rewritten(lines, [])
    named = head.tokens(b"connection")
    leaving = (_HOP_BY_HOP | set(named)) - _NEVER_REMOVED
    if is_websocket:
        leaving -= {b"upgrade", b"connection"}
        if not _WEBSOCKET_CONNECTION.issuperset(named):
            first, *others = head.positions[b"connection"]
            lines[first + 1] = b"Connection: Upgrade"
            leaving_places = {place + 1 for place in others}
        else:
            leaving_places = set()
    else:
        leaving_places = set()
    for name in leaving:
        leaving_places.update(place + 1 for place in head.positions.get(name, ()))
    removed = [head.fields[place - 1] for place in sorted(leaving_places)]
    return Rewritten([line for place, line in enumerate(lines) if place not in leaving_places], removed)


def _set_host(head: RequestHead, lines: list[bytes], host: bytes) -> None:
    if b"host" not in head.positions:  # HTTP/1.0
        lines.insert(1, b"Host: " + host)
        return
    for place, line in enumerate(lines):
        if line[:5].lower() == b"host:" and place:
            lines[place] = line[:5] + b" " + host
            return
