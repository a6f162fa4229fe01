"""Request targets: reading the client's, and making the upstream's. All bytes; percent-encoding is never changed.

The recorder's listening side reads each target with `split_target`, refuses those that `leaves_prefix` (FAULTS.md, "Who
must not get in", 4), and sends what `join_target` makes.
"""

import re
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

import msgspec

_ABSOLUTE: Final = re.compile(rb"(?:https?|wss?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[^][:/?#@]+):[0-9]{1,5}")
_HOST_AND_PORT: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[^][:/?#@]+)(?::[0-9]{0,5})?")


class TargetError(ValueError):
    """The client's request target is none of the four forms of RFC 9112 §3.2."""


class TargetParts(msgspec.Struct, frozen=True):
    form: Literal["origin", "absolute", "asterisk", "authority"]
    authority: bytes | None  # of the absolute and the authority form
    path: bytes  # raw; "*" for the asterisk form, empty for the authority form
    query: bytes | None  # raw, without "?"; None: there is no "?"


def split_target(target: bytes) -> TargetParts:
    """Take a request target apart; raises TargetError."""
    if b"#" in target:
        raise TargetError(
            'the request target holds a "#"; a client keeps the fragment to itself (RFC 9112 section 3.2)'
        )
    if target[:1] == b"/":
        path, mark, query = target.partition(b"?")
        return TargetParts("origin", None, path, query if mark else None)
    if target == b"*":
        return TargetParts("asterisk", None, target, None)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        authority = absolute[1]
        if not _HOST_AND_PORT.fullmatch(authority):
            raise TargetError("the request target's URL has no plain host; send host and port only, no user name")
        return TargetParts("absolute", authority, absolute[2] or b"/", absolute[3])
    if _AUTHORITY.fullmatch(target):
        return TargetParts("authority", target, b"", None)
    if not target:
        raise TargetError('the request target is empty; a path begins with "/"')
    raise TargetError('the request target is neither a path that begins with "/" nor an http:// or https:// URL')


def join_target(destination_path: bytes, rest: bytes, query: bytes | None) -> bytes:
    """The target to send upstream: the destination's path, what the client's path had behind the route's prefix, and
    the client's query.

    With an empty `rest` the destination's path stands as the operator wrote it. Slashes that the client sent stay.
    """
    if not rest:
        path = destination_path
    elif destination_path.endswith(b"/"):
        path = destination_path + rest
    else:
        path = destination_path + b"/" + rest
    return path if query is None else path + b"?" + query


def leaves_prefix(rest: bytes) -> bool:
    """Whether dot segments would lead out of the route's prefix, for any way in which an upstream may read them:
    percent-encoded once, split at encoded slashes or at backslashes, empty segments dropped.
    """
    decoded = unquote_to_bytes(rest) if b"%" in rest else rest
    if b".." not in decoded:
        return False
    depth = 0
    for segment in decoded.replace(b"\\", b"/").split(b"/"):
        if segment == b"..":
            depth -= 1
            if depth < 0:
                return True
        elif segment not in (b"", b"."):
            depth += 1
    return False
