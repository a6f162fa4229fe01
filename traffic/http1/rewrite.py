"""The only code that edits a head: what a proxy must change on the way, and nothing else.

Lines keep their order, case, spacing and bytes. Removed in either direction (RFC 9110 §7.6.1): Connection, the fields
it names, Proxy-Connection, Proxy-Authorization, Keep-Alive, TE, and Upgrade, except for a WebSocket handshake, whose
Connection and Upgrade lines are the message; of requests also X-Recorder-Key and X-Replay-Of, which are the recorder's,
and the lines that hold a key of its own, which nobody behind it may see. Fields that frame or address a message are
never removed, even where Connection names them.

`lines` are a head's lines without their CRLF: the start line, then each field at its place in `Head.fields` plus one,
so that places stay valid; a removed line is empty, added ones stand behind.
"""

from dataclasses import dataclass

from .head import Head, RequestHead, ResponseHead

_HOP_BY_HOP = frozenset(
    [b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"te", b"upgrade"],
)
REPLAY_OF = b"x-replay-of"  # the id of the recorded exchange that a request repeats
_NOT_FOR_UPSTREAMS = _HOP_BY_HOP | {b"x-recorder-key", REPLAY_OF}
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
    """The lines of a valid head."""
    return raw[:-4].split(b"\r\n")


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
    lines[0] = b"%b %b %b" % (method, target, version)


def rewrite_response(head: ResponseHead, via: bytes | None = None) -> Rewritten:
    """The head for the client."""
    rewritten = _without(_HOP_BY_HOP, frozenset(), head, is_websocket=head.status == 101)
    if via is not None:
        rewritten.lines.append(b"Via: " + via)
    return rewritten


def _without(names: frozenset[bytes], further: frozenset[int], head: Head, *, is_websocket: bool) -> Rewritten:
    """Without the fields of these names, those that Connection names, and those at the `further` places."""
    lines = split_lines(head.raw)
    if not further and names.isdisjoint(head.positions):
        return Rewritten(lines, [])
    named = head.connection
    places = [
        place
        for name, places_of_name in head.positions.items()
        if (name in names or name in named) and name not in _NEVER_REMOVED
        for place in places_of_name
    ]
    if is_websocket:
        places = _spare_handshake(head, lines, named, places)
    places = sorted({*places, *further})
    for place in places:
        lines[place + 1] = b""
    return Rewritten(lines, [head.fields[place] for place in places])


def _spare_handshake(head: Head, lines: list[bytes], named: frozenset[bytes], places: list[int]) -> list[int]:
    """Keep the Upgrade line and one Connection line, which then names nothing that was removed."""
    connections = head.positions.get(b"connection", [])
    if len(connections) > 1 or not _WEBSOCKET_CONNECTION.issuperset(named):
        lines[connections[0] + 1] = b"Connection: Upgrade"
    kept = {*connections[:1], *head.positions.get(b"upgrade", [])}
    return [place for place in places if place not in kept]


def _set_host(head: RequestHead, lines: list[bytes], host: bytes) -> None:
    places = head.positions.get(b"host")
    if places is None:  # HTTP/1.0
        lines.append(b"Host: " + host)
    else:
        lines[places[0] + 1] = lines[places[0] + 1][:5] + b" " + host
