"""The only code that edits a head: what a proxy must change on the way, and nothing else.

Lines keep their order, case, spacing and bytes. Removed in either direction (RFC 9110 §7.6.1): Connection, the fields
it names, Proxy-Connection, Proxy-Authorization, Keep-Alive, TE, and Upgrade, except for a WebSocket handshake, whose
Connection and Upgrade lines are the message; of requests also X-Recorder-Key and X-Replay-Of, which are the recorder's,
and the lines that hold a key of its own, which nobody behind it may see. Fields that frame or address a message are
never removed, even where Connection names them.

`lines` is a copy of `Head.lines`: a removed one is empty and added ones stand behind, so that a field keeps its place.
"""

import msgspec

from .head import Head, RequestHead, ResponseHead

_HOP_BY_HOP = frozenset(
    [b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"te", b"upgrade"],
)
REPLAY_OF = b"x-replay-of"  # the id of the recorded exchange that a request repeats
_NOT_FOR_UPSTREAMS = _HOP_BY_HOP | {b"x-recorder-key", REPLAY_OF}
_NEVER_REMOVED = frozenset([b"host", b"content-length", b"transfer-encoding", b"trailer"])
_WEBSOCKET_CONNECTION = frozenset([b"upgrade", b"keep-alive"])


class Rewritten(msgspec.Struct):
    lines: list[bytes]
    removed: list[tuple[bytes, bytes]]  # name and value of each removed field, in order

    @property
    def raw(self) -> bytes:
        return join_lines(self.lines)


def join_lines(lines: list[bytes]) -> bytes:
    return b"\r\n".join(filter(None, lines)) + b"\r\n\r\n"


def rewrite_request(
    head: RequestHead,
    target: bytes,
    host: bytes | None,
    via: bytes | None = None,
    without: frozenset[int] = frozenset(),
) -> Rewritten:
    """The head for the upstream: its `target` and `host` (None keeps the client's Host line), `via` added as Via.

    `without`: the places of fields that are removed beside those that always are.
    """
    rewritten = _without(_NOT_FOR_UPSTREAMS, without, head, is_websocket=head.wants_websocket)
    lines = rewritten.lines
    set_target(lines, target)
    if host is not None:
        _set_host(head, lines, host)
    if via is not None:
        lines.append(b"Via: " + via)
    return rewritten


def set_target(lines: list[bytes], target: bytes) -> None:
    method, _, version = lines[0].split(b" ")
    lines[0] = b" ".join((method, target, version))


def rewrite_response(head: ResponseHead, via: bytes | None = None) -> bytes:
    """The head for the client."""
    if via is None and _HOP_BY_HOP.isdisjoint(head.present):
        return head.raw
    lines = _without(_HOP_BY_HOP, frozenset(), head, is_websocket=head.status == 101).lines
    if via is not None:
        lines.append(b"Via: " + via)
    return join_lines(lines)


def _without(names: frozenset[bytes], further: frozenset[int], head: Head, *, is_websocket: bool) -> Rewritten:
    """Without the fields of these names, those that Connection names, and those at the `further` places."""
    lines = head.lines.copy()
    if not further and names.isdisjoint(head.present):
        return Rewritten(lines, [])
    removed_names = names | (head.connection - _NEVER_REMOVED)
    places = [place for place, name in enumerate(head.names) if name in removed_names]
    if is_websocket:
        places = _spare_handshake(head, lines, places)
    if further:
        places = sorted({*places, *further})
    for place in places:
        lines[place] = b""
    return Rewritten(lines, [head.field(place) for place in places])


def _spare_handshake(head: Head, lines: list[bytes], places: list[int]) -> list[int]:
    """Keep the Upgrade line and one Connection line, which then names nothing that was removed."""
    connections = head.places(b"connection")
    if len(connections) > 1 or not _WEBSOCKET_CONNECTION.issuperset(head.connection):
        lines[connections[0]] = b"Connection: Upgrade"
    kept = {*connections[:1], *head.places(b"upgrade")}
    return [place for place in places if place not in kept]


def _set_host(head: RequestHead, lines: list[bytes], host: bytes) -> None:
    if b"host" not in head.present:  # HTTP/1.0
        lines.append(b"Host: " + host)
    else:
        place = head.names.index(b"host")
        lines[place] = lines[place][:5] + b" " + host
