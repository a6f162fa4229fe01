"""The routing table: which entry takes a request. Built once at start, read for every request.

The rules are those of Go's ServeMux: the most specific pattern wins (one with a host over one without, then the longer
path, then the one with a method), GET takes HEAD too, and two patterns of which neither is more specific are an error.
A path that only lacks the closing slash of an entry is redirected; nothing else is cleaned or redirected.

There is one trie of path segments for each host and each method that the patterns name, so that a walk looks at each
segment once and stops at the first that no pattern goes on with: its cost does not grow with the number of entries.
Segments are percent-decoded one at a time: an encoded slash never splits one.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from .pattern import Pattern, PatternError, Relation, compare, covers_method, parse_pattern, shared_request

T = TypeVar("T")

_ANY: Final = ""  # any method


class RoutingError(ValueError):
    """The entries make no table. `messages` holds every reason, each with the place to mend."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages


class Entry(msgspec.Struct, Generic[T], frozen=True):
    pattern: str
    value: T
    where: str  # the place to mend, for messages: "config.yaml:12: routes.a"


class Match(msgspec.Struct, Generic[T], frozen=True):
    value: T
    pattern: str
    prefix_length: int  # bytes of the raw path up to where the rest begins: behind the subtree's slash, or all of it


class Redirect(msgspec.Struct, frozen=True):
    """No entry takes the path, but one takes it with a slash behind it: answer 308 to that, the query kept."""


class _Node(Generic[T]):
    """Where a path's segments so far have led."""

    __slots__ = ("children", "exact", "subtree")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node[T]] = {}
        self.exact: Match[T] | None = None  # for a path that ends here
        self.subtree: Match[T] | None = None  # for a path that goes on behind a slash

    def add(self, pattern: Pattern, value: T) -> None:
        node = self
        for segment in pattern.segments:
            node = node.children.setdefault(segment, _Node())
        length = sum(map(len, pattern.segments)) + len(pattern.segments)  # of the path written without any %
        if pattern.subtree:
            node.subtree = Match(value, pattern.text, length + 1)
        else:
            node.exact = Match(value, pattern.text, length)


_Placed = tuple[Pattern, Entry[T]]


class RoutingTable(Generic[T]):
    """Raises RoutingError with all that is wrong with the entries."""

    def __init__(self, entries: Iterable[Entry[T]]) -> None:
        placed = _parse_all(entries)
        by_host: dict[bytes, list[_Placed[T]]] = {}
        for pattern, entry in placed:
            by_host.setdefault(pattern.host, []).append((pattern, entry))
        self._any_host = _tries(by_host.pop(b"", []))
        self._hosts = {host: _tries(group) for host, group in by_host.items()}
        self._slash_segments = _segments_before_a_closing_slash(pattern for pattern, _ in placed)

    def match(self, method: str, host: bytes | None, path: bytes) -> Match[T] | Redirect | None:
        """What takes the request. `host` is the Host line's value, `path` the target's raw path without its query."""
        if path[:1] != b"/":
            return None
        found = self._find(method, host, path)
        if found is not None and found.prefix_length == len(path):
            return found
        last = path[path.rfind(b"/") + 1 :]
        if (unquote_to_bytes(last) if b"%" in last else last) in self._slash_segments:
            slashed = self._find(method, host, path + b"/")
            if slashed is not None and slashed.prefix_length == len(path) + 1:
                return Redirect()
        return found

    def _find(self, method: str, host: bytes | None, path: bytes) -> Match[T] | None:
        if self._hosts and host:
            tries = self._hosts.get(_without_port(host))
            if tries is not None:
                found = _walk(tries.get(method) or tries[_ANY], path)
                if found is not None:
                    return found
        return _walk(self._any_host.get(method) or self._any_host[_ANY], path)


def _walk(node: _Node[T], path: bytes) -> Match[T] | None:
    """The deepest entry along the path."""
    found: Match[T] | None = None
    length = 0
    start = 1
    while True:
        if node.subtree is not None:
            found = node.subtree
            length = start
        end = path.find(b"/", start)
        segment = path[start:] if end < 0 else path[start:end]
        if b"%" in segment:
            segment = unquote_to_bytes(segment)
        child = node.children.get(segment)
        if child is None:
            break
        node = child
        if end < 0:
            if node.exact is not None:
                found = node.exact
                length = len(path)
            break
        start = end + 1
    if found is None or found.prefix_length == length:
        return found
    return Match(found.value, found.pattern, length)  # the path spells its prefix with a %


def _without_port(host: bytes) -> bytes:
    """`Example.com:80` -> `example.com`, `[::1]:80` -> `[::1]`."""
    if host.startswith(b"["):
        return host[: host.find(b"]") + 1].lower()
    return host.partition(b":")[0].lower()


def _tries(group: list[_Placed[T]]) -> Mapping[str, _Node[T]]:
    """For each method that the patterns name, and for any other, the trie of all patterns that take it."""
    methods = {pattern.method for pattern, _ in group} | {_ANY}
    if "GET" in methods:
        methods.add("HEAD")
    tries: dict[str, _Node[T]] = {}
    for method in methods:
        trie = tries[method] = _Node()
        taking = [(pattern, entry) for pattern, entry in group if covers_method(pattern.method, method)]
        # The more specific method comes later and replaces what stands at the same path.
        for pattern, entry in sorted(taking, key=lambda placed: (placed[0].method != "", placed[0].method == method)):
            trie.add(pattern, entry.value)
    return tries


def _segments_before_a_closing_slash(patterns: Iterable[Pattern]) -> frozenset[bytes]:
    """The last segments that a path to redirect can have."""
    segments: set[bytes] = set()
    for pattern in patterns:
        if pattern.subtree:
            segments.update(pattern.segments[-1:])
        elif pattern.segments[-1] == b"":
            segments.update(pattern.segments[-2:-1])
    return frozenset(segments - {b""})


def _parse_all(entries: Iterable[Entry[T]]) -> list[_Placed[T]]:
    placed: list[_Placed[T]] = []
    messages: list[str] = []
    for entry in entries:
        try:
            placed.append((parse_pattern(entry.pattern), entry))
        except PatternError as error:
            messages.append(f'{entry.where}: pattern "{entry.pattern}": {error}')
    for (a, first), (b, second) in combinations(placed, 2):
        relation = compare(a, b)
        if relation is Relation.IDENTICAL:
            messages.append(
                f'{first.where}: pattern "{a.text}" matches the same requests as "{b.text}" ({second.where}): '
                "change or remove one of them"
            )
        elif relation is Relation.OVERLAP:
            messages.append(
                f'{first.where}: pattern "{a.text}" conflicts with "{b.text}" ({second.where}): '
                f'both match "{shared_request(a, b)}", neither is more specific'
            )
    if messages:
        raise RoutingError(messages)
    return placed
