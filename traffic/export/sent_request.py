"""A recorded request as another program can send it: where to, its header lines without the recorder's own, its body
without chunk framing. Called by the formats that write commands and requests.

    sent_request()   None where there is nothing to send: the request is not whole, or asks for a WebSocket
    variables        the names that stand for the secrets, also where a recording holds them: `OPENAI_API_KEY` for a
                     provider's key, else the name of the header or the parameter
"""

import re
from typing import Final, NamedTuple
from urllib.parse import quote

from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.capture.recording import PROXY_PATH, read_recording
from traffic.capture.redact import Redactor
from traffic.http1.content import dechunk
from traffic.http1.framing import FramingError
from traffic.http1.head import HeadError, RequestHead, head_end, parse_request_head
from traffic.http1.limits import UNLIMITED
from traffic.http1.message import END, RequestReader
from traffic.llm.decode import Decoder

Field = tuple[str, str]  # latin-1

NOTHING_TO_SEND: Final = "a WebSocket, or a request that is not whole"  # why there is none

_REDACTOR: Final = Redactor(b"")  # what it leaves is replaced by a name, and goes nowhere
_NOWHERE: Final = "unknown.invalid"  # RFC 2606: of nobody
_HTTP: Final = re.compile(r"(?:http|ws)s?://", re.IGNORECASE)
_NEVER_SENT: Final = re.compile(r"[^\x21-\x7e\x80-\xff]+")  # in a target; latin-1
_SECRET: Final = re.compile(r"\[secret:[0-9a-f]{8}\]")
_PARAMETER: Final = re.compile(r"[?&;#]([^=&;#?]+)=(\[secret:[0-9a-f]{8}\])")
_NO_NAME: Final = re.compile(r"[^A-Z0-9]+")
# Where providers look for their key; other secrets are others'.
_KEY_PLACES: Final = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "key", "api_key"})
_KEY_NAMES: Final = {"google": "GEMINI_API_KEY"}  # others are the provider's name with _API_KEY behind


class SentRequest(NamedTuple):
    method: str
    url: str
    fields: list[Field]  # without a Host that says what `url` does
    body: bytes
    content: bytes  # the body without compression
    is_chunked: bool
    variables: dict[str, str]  # by the placeholder that stands in `url` and `fields`

    def value(self, name: str) -> str | None:
        """Of the first line of that lower-case name."""
        return next((value for each, value in self.fields if each.lower() == name), None)

    def pieces(self, text: str) -> list[tuple[str, bool]]:
        """Texts and names of variables in turn, as they stand in `url` or a value; True: a name."""
        found: list[tuple[str, bool]] = []
        place = 0
        for match in _SECRET.finditer(text):
            if match[0] in self.variables:
                found += [(text[place : match.start()], False), (self.variables[match[0]], True)]
                place = match.end()
        return [*found, (text[place:], False)]


def sent_request(exchange: RecordedExchange, decoder: Decoder) -> SentRequest | None:
    head = _whole(exchange.request)
    if head is None:
        return None
    recording = read_recording(exchange.request)
    is_chunked = b"transfer-encoding" in head.present
    url = _REDACTOR.url(absolute_url(exchange.metadata, head), "request")[0]
    fields = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in head.fields
        if name.lower() != PROXY_PATH and not (name.lower() == b"host" and value.decode("latin-1") == _authority(url))
    ]
    return SentRequest(
        method=head.method,
        url=url,
        fields=fields,
        body=dechunk(recording.body) if is_chunked else recording.body,
        content=recording.content,
        is_chunked=is_chunked,
        variables=_variables(url, fields, _provider(exchange, decoder)),
    )


def _whole(raw: bytes) -> RequestHead | None:
    """Its head, without secrets; None: it is not whole, or is a WebSocket's."""
    try:
        events = RequestReader(UNLIMITED).feed(raw)
        if not events or events[-1] is not END:
            return None
        head = parse_request_head(_REDACTOR.head(raw[: head_end(raw)], "request")[0], UNLIMITED)
    except (HeadError, FramingError):
        return None
    return None if head.wants_websocket else head


def absolute_url(facts: Metadata, head: RequestHead | None) -> str:
    """Where it went, else where the client sent it. What came by the simple door may tell a path alone, and no Host;
    and it may tell anything, such as lines, or an option for a command.
    """
    url = _NEVER_SENT.sub(lambda match: quote(match[0]), facts.upstream_url or facts.url)
    if _HTTP.match(url):
        return url
    host = (head.value(b"host") or b"").decode("latin-1") if head is not None else ""
    return f"http://{host or _NOWHERE}/{url.removeprefix('/')}"


def _authority(url: str) -> str:
    """As clients put it into Host: without a user, and without the scheme's own port."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return authority.removesuffix({"http": ":80", "https": ":443"}.get(scheme.lower(), ""))


def _provider(exchange: RecordedExchange, decoder: Decoder) -> str | None:
    decoded = decoder.decode(exchange)
    return decoded.call.provider if decoded is not None else exchange.metadata.provider


def _variables(url: str, fields: list[Field], provider: str | None) -> dict[str, str]:
    """The provider's key is one; another secret in one of its places has a name of its own."""
    places = [(match[1], match[2]) for match in _PARAMETER.finditer(url)]
    places += [(name, secret) for name, value in fields for secret in _SECRET.findall(value)]
    places += [("userinfo", secret) for secret in _SECRET.findall(url)]
    names: dict[str, str] = {}
    for place, secret in places:
        if secret in names:
            continue
        name = _key_name(provider) if provider and place.lower() in _KEY_PLACES else _variable(place)
        while name in names.values():
            name = _variable(place) if name != _variable(place) else f"{name}_2"
        names[secret] = name
    return names


def _key_name(provider: str) -> str:
    return _KEY_NAMES.get(provider) or f"{_variable(provider)}_API_KEY"


def _variable(text: str) -> str:
    name = _NO_NAME.sub("_", text.upper()).strip("_") or "SECRET"
    return f"_{name}" if name[0].isdigit() else name
