"""What a user wants other than it was recorded: members of JSON bodies, header fields, parameters of the URL. Pure.

What is not edited stays as it is, to the byte. A body that is edited loses its compression and its chunks, and the head
says so. Called by preparation.py.
"""

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from replay.json_path import JsonPath, JsonPathError
from replay.replay_error import ReplayError, UnfitError
from traffic.capture.recording import PROXY_PATH, read_recording
from traffic.http1.head import RequestHead

Field = tuple[bytes, bytes]  # name and value

_FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FRAMING = (b"content-length", b"transfer-encoding")


@dataclass(frozen=True, slots=True)
class Edits:
    sets: Sequence[tuple[JsonPath, Any]] = ()
    fields: Sequence[Field] = ()  # take the place of those with their names, or are added
    dropped: Sequence[bytes] = ()  # names of fields
    parameters: Sequence[Field] = ()  # of the URL's query, to replace

    def check(self) -> None:
        """Raises ReplayError."""
        for name, value in (*self.fields, *((name, b"") for name in self.dropped)):
            if not _FIELD_NAME.fullmatch(name) or re.search(rb"[\r\n\0]", value):
                raise ReplayError(f"not a header such as 'Authorization: Bearer ...': {name.decode('latin-1')}")
            if name.lower() in _FRAMING:
                raise ReplayError(f"{name.decode()} is not yours to change: it is put right by itself")


def edited_body(raw: bytes, sets: Sequence[tuple[JsonPath, Any]]) -> bytes | None:
    """The content of a request with members set; None: nothing is to be set."""
    if not sets:
        return None
    content = read_recording(raw).content
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise UnfitError("the request has no JSON body, and --set edits nothing else") from None
    for path, value in sets:
        try:
            path.set_value(document, copy.deepcopy(value))
        except JsonPathError as error:
            raise ReplayError(f"--set: {error}") from None
    return json.dumps(document, separators=(",", ":")).encode()


def edited_target(target: bytes, parameters: Sequence[Field]) -> bytes:
    for name, value in parameters:
        pattern = re.compile(rb"([?&;]" + re.escape(name) + rb"=)[^&;#]*")
        target, count = pattern.subn(lambda match, value=value: match[1] + value, target)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        if not count:
            raise ReplayError(f"the recorded URL has no query parameter {name.decode('latin-1')!r}")
    return target


def edited_head(head: RequestHead, target: bytes, own: Sequence[Field], body: bytes | None, edits: Edits) -> bytes:
    """The recorded lines in their order, but those that change. `own`: fields of the replay's; `body`: the new one."""
    changes: dict[bytes, list[Field]] = {PROXY_PATH: []}
    for name, value in own:
        changes[name.lower()] = [(name, value)]
    if body is not None:
        changes |= {b"transfer-encoding": [], b"content-encoding": [], b"trailer": []}
        changes[b"content-length"] = [(b"Content-Length", b"%d" % len(body))]
    changes |= {name.lower(): [] for name in edits.dropped}
    changes |= {name.lower(): [] for name, _ in edits.fields}
    for name, value in edits.fields:
        changes[name.lower()].append((name, value))
    method, _, version = head.raw.partition(b"\r\n")[0].split(b" ")
    lines = [b" ".join((method, target, version))]
    for line in head.raw[:-4].split(b"\r\n")[1:]:
        name = line.partition(b":")[0]
        if name.lower() not in changes:
            lines.append(line)
        else:
            lines += [name + b": " + value for _, value in changes[name.lower()]]
            changes[name.lower()] = []
    lines += [name + b": " + value for fields in changes.values() for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"
