"""JSONPath (RFC 9535) as people write it: `$.` may be left out. `messages[-1].content`, `choices[*].delta`, `..id`.

    path = parse("messages[-1].content")       raises JsonPathError, with a text for people
    path.find(document)                        what it meets, each with its place
    path.set_value(document, "Hello")          in place; the last member is made where it is missing
    path.mask(document)                        in place; members go, elements of lists become null

Where something is, is told as a path that can be given again: place_text(("choices", 0, "a b")) is `choices[0]['a b']`.
Called by masks.py (`--ignore`) and by what edits bodies (`--set`).
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from jsonpath import JSONPath

Place = tuple[str | int, ...]  # names and indices, from the document's root on

DEPTH_MAX: Final = 100  # of documents: `..` takes a frame of the stack for each level, comparing takes four
_SHORT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*").fullmatch
_EXAMPLE: Final = "a path is like model, messages[-1].content, choices[*].message or ..id"


class JsonPathError(ValueError):
    """What is wrong with a path, or with the document that it is used on."""


class Found(NamedTuple):
    place: Place
    value: Any


@dataclass(frozen=True, slots=True)
class JsonPath:
    text: str  # as it was given
    _query: "JSONPath" = field(repr=False, compare=False)

    def find(self, document: Any) -> list[Found]:
        return [Found(parts, value) for parts, value, _ in _matches(self._query, document, self.text)]

    def set_value(self, document: Any, value: Any) -> None:
        """At all places that it meets. Where it ends in a name, each object before that name gets it."""
        parents, key = self._parents()
        if key is None:
            targets = [(parent, parts[-1]) for parts, _, parent in _matches(self._query, document, self.text) if parts]
        else:
            targets = [
                (parent, key) for _, parent, _ in _matches(parents, document, self.text) if isinstance(parent, dict)
            ]
        if not targets:
            raise JsonPathError(f"the path {self.text} meets nothing: {self._missing(document)}")
        for container, name in targets:
            container[name] = value

    def mask(self, document: Any) -> None:
        for parts, _, parent in _matches(self._query, document, self.text):
            if isinstance(parent, dict):
                parent.pop(parts[-1], None)
            elif isinstance(parent, list):
                parent[int(parts[-1])] = None

    def _parents(self) -> "tuple[JSONPath, str | None]":
        """The path without its last part, and that part where it is one name."""
        from jsonpath import JSONPath  # noqa: PLC0415 most commands need no paths
        from jsonpath.segments import JSONPathChildSegment  # noqa: PLC0415
        from jsonpath.selectors import NameSelector  # noqa: PLC0415

        *before, last = self._query.segments
        parents = JSONPath(env=self._query.env, segments=before)
        if isinstance(last, JSONPathChildSegment) and len(last.selectors) == 1:
            (selector,) = last.selectors
            if isinstance(selector, NameSelector):
                return parents, selector.name
        return parents, None

    def _missing(self, document: Any) -> str:
        """The first part that is not there."""
        from jsonpath import JSONPath  # noqa: PLC0415 most commands need no paths

        if not isinstance(document, dict | list):
            return "the body is no JSON object"
        segments = self._query.segments
        for length in range(1, len(segments) + 1):
            query = JSONPath(env=self._query.env, segments=segments[:length])
            if not _matches(query, document, self.text):
                return f"the body has no {_readable(query)}"
        return "its last part must be the name of a member of an object"


@lru_cache(1024)
def parse(text: str) -> JsonPath:
    from jsonpath import JSONPathError  # noqa: PLC0415 most commands need no paths

    written = text.strip()
    if not written or written == "$":
        raise JsonPathError(f"{text!r} is no JSON path that names a part of a body: {_EXAMPLE}")
    if not written.startswith("$"):
        written = f"${written}" if written.startswith((".", "[")) else f"$.{written}"
    try:
        query = _environment().compile(written)
    except JSONPathError as error:
        raise JsonPathError(f"{text!r} is no JSON path: {_problem(error)}; {_EXAMPLE}") from None
    return JsonPath(text.strip(), query)


def place_text(place: Place) -> str:
    """A path that meets just that place."""
    text = "".join(_part_text(part) for part in place).removeprefix(".")
    return text or "$"


def _readable(query: "JSONPath") -> str:
    if not query.singular_query():
        return str(query)
    selectors: list[Any] = [segment.selectors[0] for segment in query.segments]
    return place_text(tuple(each.name if hasattr(each, "name") else each.index for each in selectors))


def _part_text(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if _SHORT_NAME(part):
        return f".{part}"
    from jsonpath.serialize import canonical_string  # noqa: PLC0415 most names are short

    return f"[{canonical_string(part)}]"


@lru_cache(1)
def _environment() -> Any:
    from jsonpath import JSONPathEnvironment  # noqa: PLC0415 most commands need no paths

    class Environment(JSONPathEnvironment):
        max_recursion_depth = DEPTH_MAX + 1

    return Environment(strict=True)


def _matches(query: "JSONPath", document: Any, text: str) -> list[tuple[Place, Any, Any]]:
    """Place, value and what holds it (None: it is the document). Only objects and lists have parts."""
    from jsonpath import JSONPathError  # noqa: PLC0415 most commands need no paths

    if not isinstance(document, dict | list):
        return []
    try:
        found = [
            (match.parts, match.obj, match.parent.obj if match.parent is not None else None)
            for match in query.finditer(document)
        ]
    except RecursionError:  # the library's own is one
        raise JsonPathError(f"the body is nested too deeply for {text}") from None
    except JSONPathError as error:
        raise JsonPathError(f"{text}: {_problem(error)}") from None
    return [each for each in found if each[2] is None or isinstance(each[2], dict | list)]


def _problem(error: Any) -> str:
    """In one line, without the library's drawing."""
    return str(error.message)
