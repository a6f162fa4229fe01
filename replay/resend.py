"""Sends a recorded request again: the recorded bytes, with the target, Host and what the user gives replaced.

    prepare()   decides what goes where, or raises ResendError: pure, so that tests read the bytes without a socket
    resend()    sends by sender.py, and hands on the answer as it arrives

By default a recording goes where its X-Proxy-Path line says: through the recorder, as the client called it. That line
is never sent. Redacted secrets leave for this machine at most: another one would get a request that cannot work.
Called by `recorder replay`.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from replay.answer import Wanted
from replay.sender import Request, Sender
from traffic.capture.recording import PROXY_PATH
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead
from traffic.http1.limits import UNLIMITED
from traffic.http1.message import END, RequestReader

_SECRET = re.compile(rb"\[secret:[0-9a-f]{8}\]")
_FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Field = tuple[bytes, bytes]  # name and value


class ResendError(Exception):
    """Why a recording is not sent, or its answer not whole; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What the user wants other than recorded."""

    to: str | None = None  # base URL that takes the place of the recorded scheme and host
    via: str | None = None  # a recorder's URL that takes the place of the one in X-Proxy-Path
    fields: Sequence[Field] = ()  # header fields to replace, or to add where there is none
    query: Sequence[Field] = ()  # query parameters to replace


def prepare(raw: bytes, changes: Changes) -> Request:
    """`raw` is a `_request.bin`'s content."""
    head = _read_complete_request(raw)
    url, target = _destination(head, changes)
    scheme, host, port = _origin(url)
    new_head = _edit(head, _replace_query(target, changes.query), url.netloc.rpartition("@")[2], changes.fields)
    has_secrets = _SECRET.search(new_head) is not None
    if has_secrets and not _is_loopback(host):
        raise ResendError(_what_to_give(new_head, host))
    data = new_head + raw[len(head.raw) :]
    return Request(host, port, scheme == "https", head.method, data, has_secrets)


def _read_complete_request(raw: bytes) -> RequestHead:
    if raw.startswith(b"HTTP/"):
        raise ResendError("this is a response; replay sends a _request.bin")
    if raw.startswith(b"{") or (b"\n" in raw and b" HTTP/" not in raw.partition(b"\n")[0]):
        raise ResendError("this is no recorded request; replay sends a _request.bin")
    try:
        events = RequestReader(UNLIMITED).feed(raw)
    except (HeadError, FramingError) as error:
        raise ResendError(f"the recording is no valid request: {error}") from None
    if not events:
        raise ResendError("the recording is incomplete: it ends inside the head")
    head = events[0]
    assert isinstance(head, RequestHead)
    if events[-1] is not END:
        raise ResendError("the recording is incomplete: the end of the body is missing")
    if head.wants_websocket:
        raise ResendError("this is a WebSocket recording; replay sends plain requests only")
    return head


def _destination(head: RequestHead, changes: Changes) -> tuple[SplitResult, bytes]:
    """The URL whose host is called, and the request's target there."""
    if changes.to is not None:
        base = _split(changes.to)
        if head.target.startswith(b"/"):
            return base, base.path.rstrip("/").encode() + head.target
        return base, head.target
    recorded = head.values(PROXY_PATH)
    if not recorded:
        raise ResendError("the recording has no X-Proxy-Path line that tells where it was sent; give --to URL")
    url = _split(recorded[-1].decode("latin-1"))
    target = b"/" + recorded[-1].partition(b"://")[2].partition(b"/")[2]
    if changes.via is None:
        return url, target
    base = _split(changes.via)
    return base, base.path.rstrip("/").encode() + target


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # the port is no number
        pass
    raise ResendError(f"not a URL such as http://localhost:5601: {url}")


def _origin(url: SplitResult) -> tuple[str, str, int]:
    assert url.hostname is not None
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS[url.scheme]


def _replace_query(target: bytes, parameters: Sequence[Field]) -> bytes:
    for name, value in parameters:
        pattern = re.compile(rb"([?&;]" + re.escape(name) + rb"=)[^&;#]*")
        target, count = pattern.subn(lambda match, value=value: match[1] + value, target)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        if not count:
            raise ResendError(f"the recorded URL has no query parameter {name.decode('latin-1')!r}")
    return target


def _edit(head: RequestHead, target: bytes, authority: str, fields: Sequence[Field]) -> bytes:
    """The head's own lines in their order, those apart that change."""
    changed = {b"host": authority.encode("latin-1")}
    for name, value in fields:
        if not _FIELD_NAME.fullmatch(name) or b"\r" in value or b"\n" in value:
            raise ResendError(f"not a header such as 'Authorization: Bearer ...': {name.decode('latin-1')}")
        changed[name.lower()] = value
    missing = dict(fields)
    request_line, *lines = head.raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, _, version = request_line.split(b" ")
    kept = [b" ".join((method, target, version))]
    for line in lines:
        name = line.partition(b":")[0]
        key = name.lower()
        if key in changed:
            kept.append(name + b": " + changed[key])
            missing = {given: value for given, value in missing.items() if given.lower() != key}
        elif key != PROXY_PATH:
            kept.append(line)
    kept += [name + b": " + value for name, value in missing.items()]
    return b"\r\n".join(kept) + b"\r\n\r\n"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _what_to_give(head: bytes, host: str) -> str:
    request_line, *lines = head.split(b"\r\n")
    names = [line.partition(b":")[0].decode("latin-1") for line in lines if _SECRET.search(line)]
    options = [f"--header '{name}: {'Bearer ...' if name.lower() == 'authorization' else '...'}'" for name in names]
    query = re.findall(rb"[?&;]([^=&;]+)=[^&;]*\[secret:", request_line)
    options += [f"--query '{name.decode('latin-1')}=...'" for name in query]
    return f"the recording's secrets are redacted, and {host} is not this machine; give {' '.join(options)}"


async def resend(request: Request, on_head: Callable[[bytes], None], on_body: Callable[[bytes], None]) -> None:
    """Raises ResendError. `on_head` gets each raw head, 1xx ones too; `on_body` the body without chunk framing."""
    sender = Sender()
    try:
        reply = await sender.send(request, Wanted(on_head, on_body, keeps_bytes=False))
    finally:
        sender.close()
    if reply.error is not None:
        raise ResendError(reply.error.detail)
