"""Patterns that say which requests a route takes: those of Go 1.22's net/http ServeMux, without named wildcards.

    pattern = [ METHOD 1*( SP / HTAB ) ] [ HOST ] path
    path    = "/" [ segment *( "/" segment ) ] [ "/" ] [ "{$}" ]

    "/lmstudio/"         every path below /lmstudio/, and /lmstudio/ itself (a subtree)
    "/v1/models"         that path alone
    "/lmstudio/{$}"      the path /lmstudio/ alone
    "GET /health"        GET and HEAD; without a method: every method
    "example.com/v1/"    that host alone, whatever its port; without a host: every host

Segments are compared percent-decoded, one by one. Of two patterns that match the same request the more specific one
wins; if neither is, they conflict and may not stand in one table. `table.py` calls this at start, never per request.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote_to_bytes

_METHOD: Final = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]+")
_HOST: Final = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9._-]+")
_EXAMPLE: Final = 'a pattern is "[METHOD ][HOST]/[PATH]", for example "/lmstudio/"'


class PatternError(ValueError):
    """The text is no pattern; the message says why and what to write instead."""


@dataclass(frozen=True, slots=True)
class Pattern:
    text: str  # as the operator wrote it
    method: str  # "": any
    host: bytes  # "": any; lower case, IPv6 in brackets
    segments: tuple[bytes, ...]  # percent-decoded; a last empty one stands for a closing slash
    subtree: bool  # matches what has these segments and at least one more (which may be empty)


class Relation(Enum):
    """How the requests that one pattern matches lie to those of another."""

    IDENTICAL = "identical"
    MORE_SPECIFIC = "more specific"
    MORE_GENERAL = "more general"
    OVERLAP = "overlap"  # some match both, and either has requests of its own
    DISJOINT = "disjoint"


def parse_pattern(text: str) -> Pattern:
    """Read a pattern; raises PatternError."""
    words = text.split()
    if not words:
        raise PatternError(f"it is empty; {_EXAMPLE}")
    if len(words) > 2:
        raise PatternError(f"too many spaces; {_EXAMPLE}; a space inside a path is written %20")
    method = words[0] if len(words) == 2 else ""
    if method and not _METHOD.fullmatch(method):
        raise PatternError(f'"{method}" is no method; write it in capitals, as in "GET /health"')
    host, slash, path = words[-1].partition("/")
    if not slash:
        raise PatternError(f'it has no "/"; {_EXAMPLE}')
    host = host.lower()
    if host and not _HOST.fullmatch(host):
        raise PatternError(f'"{host}" is no host name; write it without scheme and port, as in "example.com/v1/"')
    segments, subtree = _parse_path(path)
    return Pattern(text, method, host.encode(), segments, subtree)


def _parse_path(path: str) -> tuple[tuple[bytes, ...], bool]:
    """Segments and whether they stand for a subtree; `path` begins behind its first slash."""
    written = path.split("/")
    subtree = written[-1] == ""
    if subtree:
        written.pop()
    elif written[-1] == "{$}":
        written[-1] = ""
    for segment in written:
        _check_segment(segment)
    return tuple(map(unquote_to_bytes, written)), subtree


def _check_segment(segment: str) -> None:
    if "{$}" in segment:
        raise PatternError('"{$}" may only stand at the end, behind a "/"')
    if "{" in segment or "}" in segment:
        raise PatternError(f'the wildcard "{segment}" is not supported; end the pattern with "/" to take all below it')
    if "?" in segment or "#" in segment:
        raise PatternError(f'"{segment}": a pattern has no query or fragment; leave it out')
    if unquote_to_bytes(segment) in (b".", b".."):
        raise PatternError(f'"{segment}" never arrives as a path\'s segment; write the path without it')


def covers_method(pattern_method: str, method: str) -> bool:
    """Whether a pattern of that method ("": any) takes requests of `method`: GET takes HEAD as well."""
    return pattern_method in ("", method) or (pattern_method == "GET" and method == "HEAD")


def compare(a: Pattern, b: Pattern) -> Relation:
    """How `a` lies to `b`. A host makes a pattern more specific than any without one, whatever their paths say."""
    relations = {_compare_methods(a.method, b.method), _compare_paths(a, b)}
    if Relation.DISJOINT in relations:
        return Relation.DISJOINT
    if a.host != b.host:
        if a.host and b.host:
            return Relation.DISJOINT
        return Relation.MORE_SPECIFIC if a.host else Relation.MORE_GENERAL
    if len(relations) > 1:
        relations.discard(Relation.IDENTICAL)
    return relations.pop() if len(relations) == 1 else Relation.OVERLAP


def _compare_methods(a: str, b: str) -> Relation:
    if a == b:
        return Relation.IDENTICAL
    if covers_method(a, b):
        return Relation.MORE_GENERAL
    return Relation.MORE_SPECIFIC if b == "" or covers_method(b, a) else Relation.DISJOINT


def _compare_paths(a: Pattern, b: Pattern) -> Relation:
    if (a.segments, a.subtree) == (b.segments, b.subtree):
        return Relation.IDENTICAL
    if _is_below(a, b):
        return Relation.MORE_SPECIFIC
    return Relation.MORE_GENERAL if _is_below(b, a) else Relation.DISJOINT


def _is_below(a: Pattern, b: Pattern) -> bool:
    """Whether every path of `a` lies in the subtree of `b`; the two are not identical."""
    depth = len(b.segments)
    return b.subtree and a.segments[:depth] == b.segments and (a.subtree or len(a.segments) > depth)


def shared_request(a: Pattern, b: Pattern) -> str:
    """A request that both of two overlapping patterns match, for messages: `GET example.com/a/b`."""
    deeper = a if _compare_paths(a, b) is Relation.MORE_SPECIFIC else b
    method = a.method if covers_method(b.method, a.method) else b.method
    path = deeper.text.split()[-1].removesuffix("{$}")
    return f"{method} {path}"
