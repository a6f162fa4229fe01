"""The credentials of a replay: recordings hold `[secret:xxxxxxxx]` in their place, and here is what to send instead.

    a route's key         routes.NAME.key of the configuration, for the origin of that route's destination
    a variable            OPENAI_API_KEY and the like, for that provider's own hosts, over https
    the vault             what the recorder put there, for the origin that it was sent to

in this order, for whatever the user has not given in another way. None goes to another origin than its own, whatever a
recording says. The first two are API keys and go where API keys are: no cookie is replaced by them. Where there is
none, the placeholder goes to this machine as it is, and nothing goes to any other; but for cookies of providers that
know their callers by keys, and set cookies for their own load balancers and robots: they are left out. Called by
preparation.py.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes

from replay.destination import is_loopback, split_url
from replay.replay_error import ReplayError
from traffic.capture.vault import VaultError, origin_of
from traffic.llm.providers import find_provider

VARIABLES: Final = {
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}

_PLACEHOLDER: Final = re.compile(rb"\[secret:[0-9a-f]{8}\]")
_PARAMETER: Final = re.compile(rb"[?&;]([^=?&;]+)=\Z")
_KEY_FIELD: Final = re.compile(
    rb"(?i)(?:authorization:[ \t]*(?:(?:bearer|token)[ \t]+)?|(?:x-|x-goog-)?api-key:[ \t]*)\Z"
)
_KEY_PARAMETERS: Final = frozenset({b"key", b"api_key", b"api-key", b"apikey"})
_IN_NO_FIELD: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def _nothing(_placeholder: str, _origin: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class Credentials:
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    destinations: Mapping[str, str] = field(default_factory=dict)  # of the configured routes, by their names
    route_keys: Mapping[str, str] = field(default_factory=dict, repr=False)  # of the routes that have one
    vault: Callable[[str, str], bytes | None] = _nothing  # what a placeholder stands for, at an origin


class Filled(NamedTuple):
    head: bytes
    notes: list[str]  # what was found where, and what goes as it is: for people, without secrets


class _Place(NamedTuple):
    """Where a placeholder stands."""

    name: str
    is_parameter: bool
    takes_key: bool

    @property
    def options(self) -> str:
        """By which a user gives it."""
        if self.is_parameter:
            return f"--param '{self.name}=...'"
        value = "Bearer ..." if self.name.lower() == "authorization" else "..."
        return f"--header '{self.name}: {value}' (--drop-header {self.name} sends none)"


def fill(head: bytes, reaches: str, credentials: Credentials, route: str | None = None) -> Filled:
    """`reaches`: the origin where they arrive; `route`: the one by which, whose key is the first of several for that
    origin. Raises ReplayError, which tells all that is missing.
    """
    if _PLACEHOLDER.search(head) is None:
        return Filled(head, [])
    notes: dict[str, None] = {}
    missing: dict[str, None] = {}
    found = _Found(credentials, reaches, route)

    def filled(line: bytes, *, is_first: bool) -> Iterator[bytes]:
        start = 0
        for match in _PLACEHOLDER.finditer(line):
            yield line[start : match.start()]
            start = match.end()
            place = _place(line[: match.start()], is_first=is_first)
            value, source = found.value(place, match[0])
            if value is not None:
                notes[f"{place.name} is {source}"] = None
                yield quote_from_bytes(value, safe="").encode() if place.is_parameter else value
                continue
            yield match[0]
            if is_loopback(split_url(reaches)):
                notes[f"{place.name} goes as it was recorded, {match[0].decode()}: {reaches} is this machine"] = None
            else:
                missing[found.wanted(place)] = None
        yield line[start:]

    lines: list[bytes] = []
    for line in head.split(b"\r\n"):
        if found.can_do_without(line):
            notes[f"Cookie is left out: it is redacted, and {reaches} knows its callers by keys"] = None
        else:
            lines.append(b"".join(filled(line, is_first=not lines)))
    if missing:
        raise ReplayError("\n".join(missing))
    return Filled(b"\r\n".join(lines), list(notes))


def _place(before: bytes, *, is_first: bool) -> _Place:
    """`before`: what stands before it in its line."""
    parameter = _PARAMETER.search(before) if is_first else None
    if parameter is not None:
        return _Place(parameter[1].decode("latin-1"), True, parameter[1].lower() in _KEY_PARAMETERS)
    return _Place(before.partition(b":")[0].decode("latin-1"), False, _KEY_FIELD.match(before) is not None)


class _Found:
    """What there is for one origin."""

    def __init__(self, credentials: Credentials, reaches: str, route: str | None) -> None:
        self._credentials = credentials
        self._reaches = reaches
        names = [name for name, url in credentials.destinations.items() if origin_of(url) == reaches]
        self._routes = sorted(names, key=lambda name: name != route)
        self._variable = _variable(reaches)

    def value(self, place: _Place, placeholder: bytes) -> tuple[bytes | None, str]:
        """And where it is from."""
        keys, environ = self._credentials.route_keys, self._credentials.environ
        if place.takes_key:
            for name in self._routes:
                if keys.get(name):
                    return _checked(keys[name], f"routes.{name}.key")
            if self._variable is not None and environ.get(self._variable, "").strip():
                return _checked(environ[self._variable].strip(), self._variable)
        kept = self._kept(placeholder)
        return (None, "") if kept is None else _checked(kept, "from the vault")

    def can_do_without(self, line: bytes) -> bool:
        if self._variable is None or line.partition(b":")[0].lower() != b"cookie":
            return False
        return any(self._kept(match[0]) is None for match in _PLACEHOLDER.finditer(line))

    def _kept(self, placeholder: bytes) -> bytes | None:
        try:
            return self._credentials.vault(placeholder.decode(), self._reaches)
        except VaultError as error:
            raise ReplayError(str(error)) from None

    def wanted(self, place: _Place) -> str:
        settings: list[str] = []
        if place.takes_key:
            settings += [self._variable] if self._variable is not None else []
            settings += [f"routes.{name}.key" for name in self._routes[:1]]
        what = f"set {' or '.join(settings)}, or give" if settings else "give"
        return f"{place.name} is redacted in the recording, and {self._reaches} wants it: {what} {place.options}"


def _variable(reaches: str) -> str | None:
    scheme, _, authority = reaches.partition("://")
    return VARIABLES.get(find_provider(None, authority, ()).name or "") if scheme == "https" else None


def _checked(given: str | bytes, source: str) -> tuple[bytes, str]:
    value = given if isinstance(given, bytes) else given.encode("utf-8", "surrogateescape")  # as os.environ decodes
    if _IN_NO_FIELD.search(value):
        raise ReplayError(f"the value of {source} holds a line break or another control character")
    return value, source
