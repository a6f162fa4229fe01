"""Why no recording answers a request: the nearest one, where it differs, and what to ignore to have it played.

Nearest is the recording of the same method and target whose masked body differs in the fewest places, among the
NEAREST_MAX whose body is about as long. Called in the player's thread; the text goes to stderr and to the client.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

import msgspec

from replay.json_path import Place, place_text
from replay.play.library import Entry, Library
from replay.play.matching import Matcher
from replay.play.question import NoDocumentError, Question
from replay.recordings import RecordingError
from traffic.capture.names import short_id

NEAREST_MAX: Final = 64
DIFFERENCES_MAX: Final = 100  # counted
DIFFERENCES_SHOWN: Final = 3
_VALUE_CHARACTERS: Final = 40
_TARGETS_SHOWN: Final = 5


class Difference(msgspec.Struct, frozen=True):
    path: str  # in the body; "$": all of it
    here: str  # the request's value, shortened
    recorded: str


class Miss(msgspec.Struct, frozen=True):
    """`nearest` is the id of a recording; None: there is none of this method and target."""

    text: str
    nearest: str | None = None
    differences: tuple[Difference, ...] = ()  # the first of them
    ignore: tuple[str, ...] = ()  # paths that make the nearest one match; (): they would be too many


def explain(question: Question, library: Library, matcher: Matcher) -> Miss:
    asked = f"{question.method} {question.target}"
    entries = library.at(question.method, question.target)
    if not entries:
        return Miss(f"no recording answers {asked}: {_what_there_is(question, library.entries)}")
    nearest = _nearest(question, entries, matcher)
    if nearest is None:
        return Miss(f"no recording answers {asked}: the bodies of all {len(entries)} at this target are other ones")
    entry, found = nearest
    name = f"{short_id(entry.id)} of {entry.started_at[:19].replace('T', ' ')}"
    shown = tuple(found[:DIFFERENCES_SHOWN])
    places = "; ".join(f"{_place(each.path)} ({each.here} here, {each.recorded} recorded)" for each in shown)
    more = len(found) - len(shown)
    count = f"{more}" if len(found) < DIFFERENCES_MAX else "many"
    places += f"; and {count} more" if more else ""
    text = f"no recording answers {asked}: the nearest, {name}, differs at {places}"
    ignore = () if more or any(each.path == "$" for each in shown) else tuple(each.path for each in shown)
    if ignore:
        text += f". It is played with {' '.join(f'--ignore {_quoted(path)}' for path in ignore)}"
    return Miss(text, entry.id, shown, ignore)


def all_played(question: Question, count: int) -> Miss:
    played = "the recording of it was" if count == 1 else f"all {count} recordings of it were"
    return Miss(f"no recording answers {question.method} {question.target}: {played} played already")


def _place(path: str) -> str:
    return "the body as a whole" if path == "$" else path


def _what_there_is(question: Question, entries: Sequence[Entry]) -> str:
    places = list(dict.fromkeys(f"{entry.method} {target}" for entry in entries for target in entry.targets))
    near = get_close_matches(f"{question.method} {question.target}", places, _TARGETS_SHOWN, 0.0)
    if not near:
        return "there are no recordings"
    others = f", and {len(places) - len(near)} more" if len(places) > len(near) else ""
    return f"there are recordings of {', '.join(near)}{others}"


def _nearest(question: Question, entries: Sequence[Entry], matcher: Matcher) -> tuple[Entry, list[Difference]] | None:
    length = len(question.content)
    best: tuple[Entry, list[Difference]] | None = None
    for entry in sorted(entries, key=lambda entry: abs(entry.body_bytes - length))[:NEAREST_MAX]:
        try:
            found = _differences(question, entry.question(), matcher)
        except RecordingError:
            continue
        if best is None or len(found) < len(best[1]):
            best = entry, found
    return best


def _differences(question: Question, other: Question, matcher: Matcher) -> list[Difference]:
    try:
        here, recorded = matcher.masked_document(question), matcher.masked_document(other)
        unequal = islice(_unequal((), here, recorded), DIFFERENCES_MAX)
        return [Difference(place_text(place), _shown(left), _shown(right)) for place, left, right in unequal]
    except (NoDocumentError, RecursionError):
        return [Difference("$", f"{len(question.content):,} bytes", f"{len(other.content):,} bytes")]


_NOTHING: Final = object()


def _unequal(place: Place, here: Any, recorded: Any) -> Iterator[tuple[Place, Any, Any]]:
    """The innermost places that differ. Of lists of different length the list, as no mask makes them the same."""
    if isinstance(here, dict) and isinstance(recorded, dict):
        for name in dict.fromkeys((*here, *recorded)):
            yield from _unequal((*place, name), here.get(name, _NOTHING), recorded.get(name, _NOTHING))
    elif isinstance(here, list) and isinstance(recorded, list) and len(here) == len(recorded):
        for index, (left, right) in enumerate(zip(here, recorded, strict=True)):
            yield from _unequal((*place, index), left, right)
    elif type(here) is not type(recorded) or here != recorded:
        yield place, here, recorded


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    if isinstance(value, list):
        return f"{len(value)} element{'' if len(value) == 1 else 's'}"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"


def _quoted(path: str) -> str:
    return path if path.replace(".", "").replace("_", "").isalnum() else f"'{path}'"
