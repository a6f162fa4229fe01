"""Requests for VS Code's REST Client and JetBrains' HTTP client, as in test.http: titles, heads, and bodies of text.

Keys are variables, given a value once, where they are first used. What such a file cannot say is left out: a body that
is no text, or has lines that would be read as something else. Two braces, which begin a variable, are written in the
texts of JSON as one and the escape of the other.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import BinaryIO, Final

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.export.formats import LeftOut
from traffic.export.sent_request import NOTHING_TO_SEND, SentRequest, sent_request
from traffic.llm.decode import Decoder

# What the programs make of the body: it is decoded here, and its length is theirs.
_BODYS_OWN: Final = frozenset({"content-length", "content-encoding", "transfer-encoding"})
# Lines that begin the next request, read a file, or handle the answer; and variables.
_NOT_A_BODY: Final = re.compile(r"^(?:###|<[ @>]|>[ >])|\{\{", re.MULTILINE)
_PLACE_FOR_A_KEY: Final = "put-the-key-here"


def write(exchanges: Iterable[RecordedExchange], out: BinaryIO, decoder: Decoder) -> LeftOut:
    left_out: Counter[str] = Counter()
    known: set[str] = set()  # variables that have a value
    is_begun = False
    for exchange in exchanges:
        request = sent_request(exchange, decoder)
        if request is None:
            left_out[NOTHING_TO_SEND] += 1
        elif any("{{" in text for text in (request.url, *(value for _, value in request.fields))):
            left_out["its head has two braces, which are a variable's in such a file"] += 1
        elif (body := _body(request)) is None:
            left_out["its body is no text for such a file"] += 1
        else:
            out.write(b"\n" if is_begun else b"")
            out.write(_block(exchange, request, known).encode("latin-1") + body.encode() + b"\n")
            is_begun = True
    return left_out


def _block(exchange: RecordedExchange, request: SentRequest, known: set[str]) -> str:
    """In latin-1, as heads are read."""
    facts = exchange.metadata
    new = [name for name in request.variables.values() if name not in known]
    known.update(new)
    lines = [f"### {facts.started_at} {facts.id}", *(f"@{name} = {_PLACE_FOR_A_KEY}" for name in new)]
    lines.append(f"{request.method} {_with_variables(request, request.url)}")
    lines += [
        f"{name}: {_with_variables(request, value)}" for name, value in request.fields if name.lower() not in _BODYS_OWN
    ]
    return "\n".join([*lines, "", ""])


def _with_variables(request: SentRequest, text: str) -> str:
    return "".join(f"{{{{{piece}}}}}" if is_name else piece for piece, is_name in request.pieces(text))


def _body(request: SentRequest) -> str | None:
    """None: it cannot be written."""
    try:
        text = request.content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        return None
    if "{{" in text and _is_json(request.content):
        text = text.replace("{{", "{\\u007b")
    return None if _NOT_A_BODY.search(text) or "\0" in text else text


def _is_json(content: bytes) -> bool:
    try:
        msgspec.json.decode(content)
    except (ValueError, RecursionError):
        return False
    return True
