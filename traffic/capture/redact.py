"""Replaces secrets in heads and URLs before they are recorded, by `[secret:<8 hex digits of a keyed hash>]`.

The same secret gives the same placeholder, so that recordings can be grouped by credential without holding it. What
counts as one: the values of SECRET_FIELDS, keys inside Sec-WebSocket-Protocol, values of SECRET_PARAMETERS in any URL's
query, and passwords in URLs. An authorization scheme (`Bearer`) stays readable. Works on any bytes, malformed heads
included. Called by the recorder's tap and by the ingest server's door.
"""

import os
import re
import secrets
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from .events import Redaction

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
    ]
)
SECRET_PARAMETERS = frozenset([b"key", b"api_key", b"api-key", b"access_token", b"token"])
_URL_FIELDS = frozenset([b"location", b"content-location", b"referer", b"x-proxy-path", b"link"])

LOOKED_AT = SECRET_FIELDS | _URL_FIELDS | {b"sec-websocket-protocol"}  # a valid head without these has no secret
_FOLD = (b" ", b"\t")

_SCHEME = re.compile(rb"(?i)((?:bearer|basic|digest|token|negotiate)[ \t]+)?(.*)", re.DOTALL)
_PROTOCOL = re.compile(rb"[^,\s]+")
_KEY_IN_PROTOCOL = re.compile(rb"(?i)(?:api-?key|token|bearer|auth(?:orization)?)[.=_-](?=[^,\s])")
_USERINFO = re.compile(rb"(//)([^/?#\s]+)(@)")
_PLACEHOLDER = re.compile(rb"\[secret:[0-9a-f]{8}\]")
_LINE_END = re.compile(rb"(\r\n|\r|\n)")
_PARAMETER = re.compile(rb"([?&;])([^=&;#?\s]+)=([^&;#\s>\"]*)")


def load_redaction_key(folder: Path) -> bytes:
    """The hash key in `folder`/redaction.key, made there (0600) by whoever comes first."""
    path = folder / "redaction.key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"redaction.key.{secrets.token_hex(4)}"
    if not path.exists():
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(fresh, path)  # never replaces the key that another process has just made
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()


class Redactor:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def placeholder(self, secret: bytes) -> bytes:
        if secret[:8] == b"[secret:" and _PLACEHOLDER.fullmatch(secret):  # sent again
            return secret
        return b"[secret:%b]" % blake2b(secret, key=self._key, digest_size=4).hexdigest().encode()

    def head(self, raw: bytes, side: Side) -> tuple[bytes, list[Redaction]]:
        """A head, malformed or not, as it may be recorded, and what was replaced in it."""
        parts = _LINE_END.split(raw)  # lines at even places, their ends at odd ones
        lines = parts[::2]
        found = self.lines(lines, side)
        if not found:
            return raw, found
        parts[::2] = lines
        return b"".join(parts), found

    def fields(self, lines: list[bytes], positions: Mapping[bytes, list[int]], side: Side) -> list[Redaction]:
        """Replace secrets in the fields of a valid head, in place; `lines` and `positions` as in http1/rewrite.py."""
        found: list[Redaction] = []
        for name in positions.keys() & LOOKED_AT:
            for place in positions[name]:
                if lines[place + 1]:
                    lines[place + 1] = self._line(name, lines[place + 1], side, found)
        return found

    def lines(self, lines: list[bytes], side: Side) -> list[Redaction]:
        """Replace secrets in lines that should be a head's, the start line first, in place; they carry no line ends."""
        found: list[Redaction] = []
        if b"?" in lines[0] or b"@" in lines[0]:
            lines[0] = self._in_url(lines[0], side, found)
        name = b""
        for place in range(1, len(lines)):
            line = lines[place]
            if line[:1] in _FOLD and name in LOOKED_AT:  # the line continues the field above it
                lines[place] = self._field(name, b"", line, side, found)
                continue
            name = line[: line.find(b":")].strip().lower()
            if name in LOOKED_AT:
                lines[place] = self._line(name, line, side, found)
        return found

    def url(self, text: str, side: Side) -> tuple[str, list[Redaction]]:
        """A URL or target as it may be shown."""
        if "?" not in text and "@" not in text:
            return text, []
        found: list[Redaction] = []
        return self._in_url(text.encode("latin-1", "replace"), side, found).decode("latin-1"), found

    def _line(self, name: bytes, line: bytes, side: Side, found: list[Redaction]) -> bytes:
        before, colon, value = line.partition(b":")
        return self._field(name, before + colon, value, side, found)

    def _field(self, name: bytes, before: bytes, value: bytes, side: Side, found: list[Redaction]) -> bytes:
        if name in SECRET_FIELDS:
            return self._value(before, value, f"{side}.header.{name.decode('latin-1')}", found)
        if name in _URL_FIELDS:
            return before + (self._in_url(value, side, found) if b"?" in value or b"@" in value else value)
        return before + self._in_protocols(value, side, found)

    def _value(self, before: bytes, value: bytes, where: str, found: list[Redaction]) -> bytes:
        secret = value.strip(b" \t")
        if not secret:
            return before + value
        match = _SCHEME.fullmatch(secret)
        assert match is not None
        mark = self.placeholder(match[2])
        found.append(Redaction(where, mark.decode()))
        leading = value[: len(value) - len(value.lstrip(b" \t"))]
        return before + leading + (match[1] or b"") + mark

    def _in_protocols(self, value: bytes, side: Side, found: list[Redaction]) -> bytes:
        def replace(match: re.Match[bytes]) -> bytes:
            protocol = match[0]
            start = protocol.lower().find(b"sk-")
            if start and (named := _KEY_IN_PROTOCOL.search(protocol)):
                start = named.end()
            if start < 0:
                return protocol
            mark = self.placeholder(protocol[start:])
            found.append(Redaction(f"{side}.header.sec-websocket-protocol", mark.decode()))
            return protocol[:start] + mark

        return _PROTOCOL.sub(replace, value)

    def _in_url(self, text: bytes, side: Side, found: list[Redaction]) -> bytes:
        def replace_userinfo(match: re.Match[bytes]) -> bytes:
            mark = self.placeholder(match[2])
            found.append(Redaction(f"{side}.url.userinfo", mark.decode()))
            return match[1] + mark + match[3]

        def replace_parameter(match: re.Match[bytes]) -> bytes:
            name = unquote_to_bytes(match[2]).lower()
            if name not in SECRET_PARAMETERS or not match[3]:
                return match[0]
            mark = self.placeholder(unquote_to_bytes(match[3]))
            found.append(Redaction(f"{side}.query.{name.decode('latin-1')}", mark.decode()))
            return match[1] + match[2] + b"=" + mark

        return _PARAMETER.sub(replace_parameter, _USERINFO.sub(replace_userinfo, text))
