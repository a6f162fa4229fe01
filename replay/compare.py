"""Compares two exchanges: what was asked, and what was answered. Pure.

    matters     status, how it ended, method and target, headers that do (compared_headers.py), bodies, the answer,
                the calls of tools, the finish reason, the model that served where the same one was asked for
    told only   other headers, reasoning, the model that served where another was asked for
    facts       tokens, cost and times of both: never a difference

Bodies are compared as JSON without what is volatile (masks.py). An answer that a dialect reads on both sides is
compared in one form, whole or streamed (answer_form.py); whole ones of one dialect also as JSON, for what that form
leaves out. What no dialect reads is compared as what it is: JSON, the events of a stream, text, bytes. People find
all of this in docs/comparing.md. Called by `recorder diff`, `recorder replay --diff` and learn.py.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

import msgspec

from replay.answer_form import DECODED, answer_form
from replay.compared_exchange import Body, ComparedExchange, Facts
from replay.compared_headers import MATTERS, looked_at
from replay.json_diff import Change, Kind, json_changes
from replay.json_path import JsonPath, parse, place_text
from replay.masks import Masks, masked
from traffic.capture.exchange import RecordedExchange
from traffic.llm.decode import Decoder

Section = Literal[
    "status", "outcome", "method", "target", "request header", "request", "response header", "response", "answer"
]

_SECRET: Final = re.compile(r"\[secret:[0-9a-f]{8}\]")  # each key's placeholder is another


class Difference(msgspec.Struct, frozen=True):
    section: Section
    path: str  # of JSON, or a header's name; "" where the section is one value
    kind: Kind
    a: Any  # None: it has none
    b: Any
    matters: bool
    ignore: str | None  # what `--ignore` takes to pass over it; None: nothing does


class Comparison(msgspec.Struct, frozen=True):
    a: Facts
    b: Facts
    differences: tuple[Difference, ...]

    @property
    def is_same(self) -> bool:
        """As far as it matters."""
        return not any(difference.matters for difference in self.differences)


def compare(
    a: RecordedExchange, b: RecordedExchange, decoder: Decoder, masks: Masks, *, request_matters: bool = True
) -> Comparison:
    """`request_matters`: or what was asked is told only. Raises JsonPathError where a mask cannot be used."""
    pair = _Pair(ComparedExchange(a, decoder), ComparedExchange(b, decoder), masks, request_matters)
    sections = (_outcome(pair), _request(pair), _response(pair), _answer(pair))
    return Comparison(pair.a.facts, pair.b.facts, tuple(chain.from_iterable(sections)))


class _Pair(NamedTuple):
    a: ComparedExchange
    b: ComparedExchange
    masks: Masks
    request_matters: bool

    @property
    def are_answers_read(self) -> bool:
        return self.a.is_answer_read and self.b.is_answer_read

    @property
    def is_one_dialect(self) -> bool:
        return self.a.dialect == self.b.dialect


def _outcome(pair: _Pair) -> Iterator[Difference]:
    a, b = pair.a, pair.b
    yield from _values("status", a.metadata.response.status, b.metadata.response.status)
    yield from _values("outcome", a.outcome, b.outcome)


def _request(pair: _Pair) -> Iterator[Difference]:
    a, b, masks, matters = pair
    yield from _values("method", a.metadata.method, b.metadata.method, matters=matters)
    targets = (_SECRET.sub("[secret]", each.target or "") for each in (a, b))
    yield from _values("target", *targets, matters=matters)
    yield from _headers("request", a.request_fields, b.request_fields, pair)
    bodies = [(each.request_body, masks.paths(each.dialect, "request")) for each in (a, b)]
    yield from _bodies("request", bodies, matters=matters)


def _response(pair: _Pair) -> Iterator[Difference]:
    a, b, masks, _ = pair
    yield from _headers("response", a.response_fields, b.response_fields, pair)
    are_read = pair.are_answers_read
    if are_read and (a.response_body.is_stream or b.response_body.is_stream or not pair.is_one_dialect):
        return  # only the form in which answers are compared has them alike
    read = tuple(map(parse, DECODED.get(a.dialect or "", ()))) if are_read else ()
    bodies = [(each.response_body, (*masks.paths(each.dialect, "response"), *read)) for each in (a, b)]
    yield from _bodies("response", bodies, matters=True)


def _answer(pair: _Pair) -> Iterator[Difference]:
    a, b, masks, _ = pair
    if a.call is None or b.call is None or not pair.are_answers_read:
        return
    paths = masks.paths(a.dialect, "answer")
    is_one_model = a.call.model == b.call.model
    for change in json_changes(masked(answer_form(a.call), paths), masked(answer_form(b.call), paths)):
        is_told = change.place == ("reasoning",) or (change.place == ("model",) and not is_one_model)
        yield _difference("answer", change, matters=not is_told)


def _values(section: Section, a: Any, b: Any, *, matters: bool = True) -> Iterator[Difference]:
    if a != b:
        yield Difference(section, "", "changed", a, b, matters, None)


def _headers(
    side: Literal["request", "response"], a: list[tuple[str, str]], b: list[tuple[str, str]], pair: _Pair
) -> Iterator[Difference]:
    of_a, of_b = looked_at(a, pair.masks.headers), looked_at(b, pair.masks.headers)
    section: Section = "request header" if side == "request" else "response header"
    for name in sorted(of_a.keys() | of_b.keys()):
        before, after = of_a.get(name), of_b.get(name)
        if _spelled(before) != _spelled(after):
            kind: Kind = "added" if before is None else "removed" if after is None else "changed"
            matters = name in MATTERS[side] and (side == "response" or pair.request_matters)
            yield Difference(section, name, kind, before, after, matters, f"header:{name}")


def _spelled(value: str | None) -> str | None:
    return None if value is None else "".join(_SECRET.sub("", value).lower().split())


def _bodies(
    section: Section, bodies: list[tuple[Body, tuple[JsonPath, ...]]], *, matters: bool
) -> Iterator[Difference]:
    """Of both sides, with what is masked in each."""
    is_stream = any(body.is_stream for body, _ in bodies)
    for change in json_changes(*(body.masked(paths) for body, paths in bodies)):
        yield _difference(section, change, is_stream=is_stream, matters=matters)


def _difference(section: Section, change: Change, *, matters: bool, is_stream: bool = False) -> Difference:
    """The paths of a stream are for each of its events."""
    place = change.place
    path = place_text(place) if place else ""
    silenced = place[1:] if is_stream else place
    if change.kind != "changed" and silenced and isinstance(silenced[-1], int):
        silenced = silenced[:-1]  # the list's length stays, whatever the element is
    ignore = f"{section}:{place_text(silenced)}" if silenced else None
    return Difference(section, path, change.kind, change.a, change.b, matters, ignore)
