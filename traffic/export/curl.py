"""Commands for curl, a shell script of them: each sends what was sent, to where it went. Keys are variables.

    header lines    as recorded, in their order and spelling; those that curl would add by itself are taken away
    body            in the command where it is text, else base64 before it; compressed where it was
    quoting         POSIX: sh, dash and bash read the same

HTTP that asks for a WebSocket is left out, and so is a request that is not all there.
"""

import base64
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from traffic.capture.exchange import RecordedExchange
from traffic.export.formats import LeftOut
from traffic.export.sent_request import NOTHING_TO_SEND, SentRequest, sent_request
from traffic.llm.decode import Decoder

_OWN_FIELDS: Final = ("User-Agent", "Accept")  # what curl sends where it is told nothing of them
_INLINE_BYTES_MAX: Final = 100_000  # Linux takes 131,072 bytes in one argument
_EXPECT_BYTES: Final = 1_000_000  # curl asks first whether larger bodies are welcome
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_IN_DOUBLE_QUOTES: Final = re.compile(r'([\\"$`])')
_JOINED: Final = " \\\n  "


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> LeftOut:
    left_out: Counter[str] = Counter()
    out.write(b"#!/bin/sh\n")
    for exchange in exchanges:
        request = sent_request(exchange, decoder)
        if request is None:
            left_out[NOTHING_TO_SEND] += 1
        else:
            out.write(_command(exchange, request).encode("latin-1"))
    return left_out


def _command(exchange: RecordedExchange, request: SentRequest) -> str:
    """In latin-1, as heads are read: encoding it gives each byte back."""
    facts = exchange.metadata
    lines = ["", f"# {facts.started_at} {facts.id}"]
    if request.variables:
        lines.append(f"# reads {', '.join('$' + name for name in request.variables.values())}")
    command = [f"curl {_quoted(request, request.url)}", *_options(request), *_fields(request)]
    if not _has_body(request):
        return "\n".join([*lines, _JOINED.join(command), ""])
    if _is_plain(request.body):
        command.append(f"--data-raw {shlex.quote(request.body.decode('latin-1'))}")
        return "\n".join([*lines, _JOINED.join(command), ""])
    command.append("--data-binary @-")
    encoded = base64.encodebytes(request.body).decode()
    return "\n".join([*lines, f"base64 -d <<'END' | {_JOINED.join(command)}", f"{encoded}END", ""])


def _has_body(request: SentRequest) -> bool:
    return bool(request.body) or request.is_chunked or request.value("content-length") is not None


def _is_plain(body: bytes) -> bool:
    if len(body) > _INLINE_BYTES_MAX or _CONTROL.search(body):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _options(request: SentRequest) -> Iterator[str]:
    has_body = _has_body(request)
    if request.method == "HEAD" and not has_body:
        yield "--head"
    elif request.method != ("POST" if has_body else "GET"):
        yield f"-X {shlex.quote(request.method)}"
    if any(each in request.url for each in "[]{}"):
        yield "--globoff"
    if "/." in request.url:
        yield "--path-as-is"
    if request.value("accept-encoding"):
        yield "--compressed"


def _fields(request: SentRequest) -> Iterator[str]:
    has_body = _has_body(request)
    for name, value in request.fields:
        if name.lower() == "content-length" and has_body:
            continue
        yield f"-H {_quoted(request, f'{name}: {value}' if value else f'{name};')}"
    unwanted = [*_OWN_FIELDS, *(["Content-Type"] if has_body else [])]
    if len(request.body) > _EXPECT_BYTES:
        unwanted.append("Expect")
    for name in unwanted:
        if request.value(name.lower()) is None:
            yield f"-H '{name}:'"


def _quoted(request: SentRequest, text: str) -> str:
    pieces = request.pieces(text)
    if len(pieces) == 1:
        return shlex.quote(text)
    quoted = (f"${{{piece}}}" if is_name else _IN_DOUBLE_QUOTES.sub(r"\\\1", piece) for piece, is_name in pieces)
    return f'"{"".join(quoted)}"'
