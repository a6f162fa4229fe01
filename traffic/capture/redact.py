"""Replaces secrets in heads and URLs before they are recorded, by `[secret:<8 hex digits of a keyed hash>]`.

The same secret gives the same placeholder, so that recordings can be grouped by credential without holding it. What
counts as one: the values of SECRET_FIELDS, keys inside Sec-WebSocket-Protocol, values of SECRET_PARAMETERS in any URL's
query or fragment, and users and passwords in URLs; URLs within URLs included, percent-encoded any number of times. An
authorization scheme (`Bearer`) stays readable. Works on any bytes, malformed heads included, in linear time. Called by
the recorder's tap and by the ingest server's door.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from traffic.http1.head import ResponseHead
from traffic.http1.rewrite import join_lines

from .events import Redaction
from .key_file import load_key

Side = Literal["request", "response"]

SECRET_FIELDS = frozenset(
    [
        b"authorization",
        b"proxy-authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-recorder-key",
        b"cookie",
        b"set-cookie",
        b"cf-aig-authorization",
        b"helicone-auth",
        b"ocp-apim-subscription-key",
        b"x-amz-security-token",
        b"x-auth-token",
        b"xi-api-key",
    ]
)
SECRET_PARAMETERS = frozenset(
    [
        b"key",
        b"api_key",
        b"api-key",
        b"apikey",
        b"access_token",
        b"token",
        b"refresh_token",
        b"id_token",
        b"client_secret",
        b"subscription-key",
        b"x-amz-security-token",
        b"x-amz-signature",
    ]
)
_URL_FIELDS = frozenset([b"location", b"content-location", b"referer", b"x-proxy-path", b"link", b"refresh"])

LOOKED_AT = SECRET_FIELDS | _URL_FIELDS | {b"sec-websocket-protocol"}  # fields of a valid request with secrets
_REPLACED_IN = LOOKED_AT | {b"host"}  # of responses, and of what is malformed
_FOLD = (b" ", b"\t")

_SCHEME = re.compile(rb"(?i)(?:bearer|basic|digest|token|negotiate)[ \t]+")
_PROTOCOL = re.compile(rb"[^,\s]+")
_KEY_IN_PROTOCOL = re.compile(rb"(?i)(?:api-?key|token|bearer|auth(?:orization)?)[.=_-](?=[^,\s])")
_KEY_FOLLOWS = re.compile(rb"(?i)[a-z_-]*(?:api[-_]?key|token|bearer|auth(?:orization)?|jwt)")  # as the next protocol
_PLACEHOLDER = re.compile(rb"\[secret:[0-9a-f]{8}\]")
_LINE_END = re.compile(rb"(\r\n|\r|\n)")
_FIELD_NAME = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[\x00-\x20]*:)?")  # where a head is malformed, too

_MAY_HOLD_SECRET = re.compile(rb"[?&;#@%]")
_AUTHORITY = re.compile(rb"[^/?#\s]+")
_USERINFO = re.compile(  # plainly, or as a part of another URL: percent-encoded once or more
    rb"(?i)(//)([^/?#\s]+)(@)|((?:%(?:25)*2f){2})((?:(?!%(?:25)*(?:2f|3f|23|40))[^/?#&@\s])+)(@|%(?:25)*40)"
)
_PARAMETER_NAME = re.compile(
    rb"(?i)[?&;#]([^=&;#?\s]+)=|%(?:25)*(?:3f|26|3b|23)((?:(?!%(?:25)*(?:3f|26|3b|23|3d))[^=&;#?\s])+)(?:=|%(?:25)*3d)"
)
_PARAMETER_VALUE = re.compile(rb"[^&;#\s>\"]*")
_ENCODED_VALUE = re.compile(rb"(?i)(?:(?!%(?:25)*(?:26|3b|23))[^&;#\s>\"])*")


def load_redaction_key(folder: Path) -> bytes:
    """The hash key in `folder`/redaction.key."""
    return load_key(folder / "redaction.key")


class Redactor:
    """`tell` hears of each replacement, with what was replaced; not of placeholders that are sent again."""

    def __init__(self, key: bytes, tell: Callable[[Redaction, bytes], None] | None = None) -> None:
        self._hash = blake2b(key=key, digest_size=4)
        self.tell = tell

    def placeholder(self, secret: bytes) -> bytes:
        if secret[:8] == b"[secret:" and _PLACEHOLDER.fullmatch(secret):  # sent again
            return secret
        keyed = self._hash.copy()
        keyed.update(secret)
        return b"[secret:%b]" % keyed.hexdigest().encode()

    def head(self, raw: bytes, side: Side) -> tuple[bytes, list[Redaction]]:
        """A head, malformed or not, as it may be recorded, and what was replaced in it."""
        parts = _LINE_END.split(raw)  # lines at even places, their ends at odd ones
        lines = parts[::2]
        found = self.lines(lines, side)
        if not found:
            return raw, found
        parts[::2] = lines
        return b"".join(parts), found

    def response_head(self, head: ResponseHead) -> tuple[bytes, list[Redaction]]:
        """What `head` gives for its bytes, for less."""
        lines = head.lines.copy()
        found: list[Redaction] = []
        if _MAY_HOLD_SECRET.search(lines[0]):
            start_line = lines[:1]
            found = self.lines(start_line, "response")
            lines[:1] = start_line
        found += self.fields(lines, head.names, "response")
        return (join_lines(lines), found) if found else (head.raw, found)

    def fields(self, lines: list[bytes], names: list[bytes], side: Side) -> list[Redaction]:
        """Replace secrets in the fields of a valid head, in place; `lines` and `names` as in http1/rewrite.py."""
        replaced_in = LOOKED_AT if side == "request" else _REPLACED_IN  # a valid request's Host has none
        if replaced_in.isdisjoint(names):
            return []
        pass_ = _Pass(self, side)
        for place, name in enumerate(names):
            if name in replaced_in and (line := lines[place]):
                value_at = len(name) + 1
                lines[place] = line[:value_at] + self._field(name, line[value_at:], pass_)
        return pass_.found

    def lines(self, lines: list[bytes], side: Side) -> list[Redaction]:
        """Replace secrets in lines that should be a head's, the start line first, in place; they carry no line ends."""
        pass_ = _Pass(self, side)
        name = b""
        for place, line in enumerate(lines):
            if line[:1] in _FOLD and name in LOOKED_AT:  # the line continues the field above it
                lines[place] = self._field(name, line, pass_)
                continue
            match = _FIELD_NAME.match(line)
            name = match[1].lower() if match else b""
            if name in _REPLACED_IN:
                assert match is not None
                lines[place] = match[0] + self._field(name, line[match.end() :], pass_)
            elif place == 0:
                method, space, target = line.partition(b" ")
                lines[0] = self._in_url(method, pass_) + space + self._in_target(target, pass_)
        return pass_.found

    def url(self, text: str, side: Side) -> tuple[str, list[Redaction]]:
        """A URL or target as it may be shown."""
        pass_ = _Pass(self, side)
        shown = self._in_target(text.encode("latin-1", "replace"), pass_)
        return (shown.decode("latin-1"), pass_.found) if pass_.found else (text, [])

    def _field(self, name: bytes, value: bytes, pass_: "_Pass") -> bytes:
        if name in SECRET_FIELDS:
            return self._secret_value(name, value, pass_)
        if name in _URL_FIELDS:
            return self._in_url(value, pass_)
        if name == b"host":
            userinfo, at, host = value.rpartition(b"@")
            return pass_.replace("url.userinfo", userinfo.strip()) + at + host if at else value
        return self._in_protocols(value, pass_)

    def _secret_value(self, name: bytes, value: bytes, pass_: "_Pass") -> bytes:
        secret = value.strip(b" \t")
        if not secret:
            return value
        start = value.index(secret)
        if scheme := _SCHEME.match(secret):
            start += scheme.end()
            secret = secret[scheme.end() :]
        return value[:start] + pass_.replace(f"header.{name.decode()}", secret)

    def _in_protocols(self, value: bytes, pass_: "_Pass") -> bytes:
        """A key is a part of a protocol's name (`bearer.KEY`) or the one behind a name (`access_token, KEY`)."""

        def replace(match: re.Match[bytes]) -> bytes:
            protocol = match[0]
            key_is_here, pass_.key_follows = pass_.key_follows, _KEY_FOLLOWS.fullmatch(protocol) is not None
            if key_is_here:
                start = 0
            elif pass_.key_follows:
                return protocol
            else:
                start = _key_start(protocol)
            if start < 0:
                return protocol
            return protocol[:start] + pass_.replace("header.sec-websocket-protocol", protocol[start:])

        return _PROTOCOL.sub(replace, value)

    def _in_target(self, target: bytes, pass_: "_Pass") -> bytes:
        """A URL or a request's target, which may be an authority alone (CONNECT)."""
        authority, at, rest = target.partition(b"@")
        if at and _AUTHORITY.fullmatch(authority):
            target = pass_.replace("url.userinfo", authority) + at + rest
        return self._in_url(target, pass_)

    def _in_url(self, text: bytes, pass_: "_Pass") -> bytes:
        if not _MAY_HOLD_SECRET.search(text):
            return text

        def replace(match: re.Match[bytes]) -> bytes:
            before, userinfo, behind = match.groups()[:3] if match[1] else match.groups()[3:]
            return before + pass_.replace("url.userinfo", userinfo) + behind

        return self._in_parameters(_USERINFO.sub(replace, text), pass_)

    def _in_parameters(self, text: bytes, pass_: "_Pass") -> bytes:
        """A value that is no secret is looked into: it may be a URL with parameters of its own."""
        done: list[bytes] = []
        copied = start = 0
        while match := _PARAMETER_NAME.search(text, start):
            start = match.start() + 1
            name = _decoded(match[1] or match[2])
            if name not in SECRET_PARAMETERS:
                continue
            value = (_PARAMETER_VALUE if match[1] else _ENCODED_VALUE).match(text, match.end())
            assert value is not None
            if value[0]:
                mark = pass_.replace(f"query.{name.decode('latin-1')}", unquote_to_bytes(value[0]))
                done += text[copied : match.end()], mark
                copied = start = value.end()
        return b"".join([*done, text[copied:]]) if done else text


class _Pass:
    """One head or URL on its way through: what was replaced in it so far."""

    __slots__ = ("_redactor", "_side", "found", "key_follows")

    def __init__(self, redactor: Redactor, side: Side) -> None:
        self._redactor = redactor
        self._side = side
        self.found: list[Redaction] = []
        self.key_follows = False  # the next WebSocket protocol is a key

    def replace(self, where: str, secret: bytes) -> bytes:
        """The placeholder to stand there."""
        mark = self._redactor.placeholder(secret)
        redaction = Redaction(f"{self._side}.{where}", mark.decode())
        self.found.append(redaction)
        if self._redactor.tell is not None and mark is not secret:
            self._redactor.tell(redaction, secret)
        return mark


def _key_start(protocol: bytes) -> int:
    """Where a key begins in the name of a WebSocket protocol; -1: nowhere."""
    start = protocol.lower().find(b"sk-")
    if start == 0 or protocol.startswith(b"eyJ"):  # of OpenAI and its like; a JSON Web Token
        return 0
    named = _KEY_IN_PROTOCOL.search(protocol)
    return named.end() if named else start


def _decoded(name: bytes) -> bytes:
    """A parameter's name, however often it was percent-encoded."""
    while b"%" in name and (plain := unquote_to_bytes(name)) != name:
        name = plain
    return name.lower()
