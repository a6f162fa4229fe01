"""Reads exchanges out of HAR files of browsers, proxies and this recorder.

HAR holds no bytes of a connection, so they are made: HTTP/1.1, headers in their order, and the body as HAR has it, with
neither chunks nor compression, behind a Content-Length that fits. The metadata says `imported_from: har`, and names in
`received.removed` the lines of the request that were left out for this. What HAR does not hold, a body that a browser
did not keep, makes the exchange incomplete. A file may come from anybody. Called by har.py.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Durations, Metadata
from traffic.export.foreign import FormatError, Kept, Tell, exchange_of

HAR_BYTES_MAX: Final = 512 * 1024 * 1024  # it is in memory as a whole

_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "content-encoding"})
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}  # all others are no exchanges
_SENDS_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._"  # what stands in a target as it is

# Milliseconds or bytes. Below 0: not known, or it does not apply. HAR has -1 for that, mitmproxy other numbers as well.
_Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]


class _Pair(msgspec.Struct):
    name: str
    value: str = ""


class _PostData(msgspec.Struct):
    text: str | None = None
    params: list[_Pair] | None = None
    encoding: str | None = msgspec.field(default=None, name="_encoding")  # this recorder's


class _Request(msgspec.Struct):
    method: str
    url: str
    httpVersion: str | None = None  # noqa: N815 HAR's name
    headers: list[_Pair] = []
    postData: _PostData | None = None  # noqa: N815 as above


class _Content(msgspec.Struct):
    size: _Number | None = None
    text: str | None = None
    encoding: str | None = None


class _Response(msgspec.Struct):
    status: int
    statusText: str | None = None  # noqa: N815 as above
    headers: list[_Pair] = []
    content: _Content | None = None
    error: str | None = msgspec.field(default=None, name="_error")


class _Timings(msgspec.Struct):
    blocked: _Number | None = None
    dns: _Number | None = None
    connect: _Number | None = None
    send: _Number | None = None
    wait: _Number | None = None


class _Entry(msgspec.Struct):
    startedDateTime: str  # noqa: N815 as above
    request: _Request
    response: _Response
    time: _Number | None = None
    timings: _Timings | None = None
    recording: Any = msgspec.field(default=None, name="_recording")  # this recorder's metadata


def exchanges_of(source: BinaryIO, tell: Tell) -> Iterator[RecordedExchange]:
    """Raises FormatError; `tell` gets what is wrong with a single entry."""
    for number, entry in enumerate(_entries(source), 1):
        try:
            read = msgspec.convert(entry, _Entry, strict=False)
            if urlsplit(read.request.url).scheme.lower() in _SCHEMES:
                yield _exchange(read)
        except (ValueError, RecursionError) as error:  # msgspec's, urlsplit's, FormatError
            tell(f"entry {number}: {error}")


def _entries(source: BinaryIO) -> list[Any]:
    data = source.read(HAR_BYTES_MAX + 1)
    if len(data) > HAR_BYTES_MAX:
        raise FormatError(f"it has more than {HAR_BYTES_MAX:,} bytes, which is too much for a HAR file")
    try:
        entries = json.loads(data, parse_constant=_refuse_constant)["log"]["entries"]
    except (ValueError, RecursionError) as error:
        raise FormatError(f"it is no HAR file: {error}") from None
    except (LookupError, TypeError):
        entries = None
    if not isinstance(entries, list):
        raise FormatError("it is no HAR file: it has no log.entries")
    return entries


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _exchange(entry: _Entry) -> RecordedExchange:
    own = _own_metadata(entry)
    found = exchange_of(_kept(entry, own))
    if own is None:
        return found
    facts = found.metadata
    is_whole = own.completed and facts.completed
    told = msgspec.structs.replace(
        own,
        completed=is_whole,
        error=None if is_whole else own.error or facts.error,
        request=facts.request,
        response=facts.response,
        imported_from="har",
    )
    return found._replace(metadata=told)


def _own_metadata(entry: _Entry) -> Metadata | None:
    try:
        return metadata.decode(msgspec.json.encode(entry.recording))
    except (ValueError, RecursionError):
        return None  # another program's, or none


def _kept(entry: _Entry, own: Metadata | None) -> Kept:
    asked = entry.request
    response, problem = _response(entry)
    removed = tuple((each.name, each.value) for each in asked.headers if each.name.lower() in _FRAMING)
    line = f"{asked.method} {asked.url} {asked.httpVersion or ''}".rstrip()
    return Kept(
        "har",
        names.moment_ns(entry.startedDateTime),
        asked.url,
        _request(asked, own),
        response,
        durations=_durations(entry),
        problem=problem,
        request_line=line,
        removed=removed,
    )


def _request(asked: _Request, own: Metadata | None) -> bytes:
    if not _is_token(asked.method):
        raise FormatError(f"{asked.method[:40]!r} is no method")
    url = urlsplit(asked.url)
    host = url.netloc.rpartition("@")[2]
    if not host:
        raise FormatError(f"{asked.url[:200]!r} names no host")
    target = (
        quote(url.path or "/", safe=_PATH_SAFE) + ("?" if url.query else "") + quote(url.query, safe=_PATH_SAFE + "?")
    )
    body = _posted(asked.postData)
    fields = [each for each in asked.headers if each.name.lower() not in _FRAMING]
    if not any(each.name.lower() == "host" for each in fields):
        fields.insert(0, _Pair("Host", host))
    if body or asked.method in _SENDS_BODY:
        fields.append(_Pair("Content-Length", str(len(body))))
    if own is not None:
        fields.append(_Pair("X-Proxy-Path", own.url))
    return _head(f"{asked.method} {target} HTTP/1.1", fields) + body


def _response(entry: _Entry) -> tuple[bytes, str | None]:
    """Its bytes, and why they are not all there."""
    answered, content = entry.response, entry.response.content or _Content()
    status = answered.status
    if status == 0:
        reason = f": {answered.error}" if answered.error else ""
        return b"", f"the HAR file holds no answer{reason}"
    if not 100 <= status <= 599:
        raise FormatError(f"{status} is no status")
    line = f"HTTP/1.1 {status} {answered.statusText or ''}"
    if entry.request.method == "HEAD" or status < 200 or status in (204, 304):
        return _head(line, [each for each in answered.headers if each.name.lower() != "transfer-encoding"]), None
    fields = [each for each in answered.headers if each.name.lower() not in _FRAMING]
    if content.text is None and (content.size or 0) > 0:
        fields.append(_Pair("Content-Length", str(int(content.size or 0))))
        return _head(line, fields), "the HAR file does not hold the body of the response"
    body = _bytes(content.text or "", content.encoding)
    return _head(line, [*fields, _Pair("Content-Length", str(len(body)))]) + body, None


def _posted(data: _PostData | None) -> bytes:
    if data is None:
        return b""
    if data.text is None:
        return urlencode([(each.name, each.value) for each in data.params or ()]).encode()
    return _bytes(data.text, data.encoding)


def _bytes(text: str, encoding: str | None) -> bytes:
    if encoding != "base64":
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text)
    except ValueError:
        raise FormatError("a body says that it is base64, and is not") from None


def _head(line: str, fields: list[_Pair]) -> bytes:
    """Names that are none, such as HTTP/2's `:authority`, are left out; what is no text in a value becomes a space."""
    lines = [line, *(f"{each.name}: {each.value}" for each in fields if _is_token(each.name))]
    return b"".join(_line(_NO_TEXT.sub(" ", each)) for each in lines) + b"\r\n"


def _line(text: str) -> bytes:
    try:
        return text.encode("latin-1") + b"\r\n"
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace") + b"\r\n"


def _durations(entry: _Entry) -> Durations:
    times = entry.timings or _Timings()
    parts = [each for each in (times.blocked, times.dns, times.connect, times.send, times.wait) if each is not None]
    first_byte = sum(each for each in parts if each > 0) if times.wait is not None and times.wait >= 0 else None
    connect = times.connect if times.connect is not None and times.connect >= 0 else None
    total = entry.time if entry.time is not None and entry.time >= 0 else None
    return Durations(connect, first_byte, total)
