"""The ladder from a request to the recording that answers it, and what follows the last one of several."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from replay.masks import Masks
from replay.play.library import Library, question_of
from replay.play.matching import Candidates, Matcher, Turns
from replay.play.question import Question
from replay.play.settings import PlaySettings
from tests.replay.play.made import CHAT, chat, exchange, library, ok, recorded, request
from traffic.llm.dialects import BUILT_IN


def question(document: Any, target: str = CHAT) -> Question:
    found = question_of(exchange(request(document, target), ok()))
    assert found is not None
    return found


def made(folder: Path, *documents: Any) -> Library:
    return library(folder, *(exchange(recorded(request(each)), ok(), place) for place, each in enumerate(documents)))


def find(library: Library, document: Any, target: str = CHAT, **settings: Any) -> tuple[str, list[int]] | None:
    """How, and which recordings by their places."""
    found = Matcher(library, PlaySettings(**settings), BUILT_IN).find(question(document, target))
    return None if found is None else (found.how, [library.entries.index(entry) for entry in found.entries])


def test_a_recording_is_found_under_the_upstreams_target_and_the_recorders(tmp_path: Path) -> None:
    found = made(tmp_path, chat("Hi"), chat("Bye"))
    assert find(found, chat("Bye")) == ("exact", [1])
    assert find(found, chat("Bye"), f"/openai{CHAT}") == ("exact", [1])
    assert find(found, chat("Bye"), f"/other{CHAT}") is None


def test_recordings_of_one_request_are_found_together_oldest_first(tmp_path: Path) -> None:
    assert find(made(tmp_path, chat("Hi"), chat("Bye"), chat("Hi")), chat("Hi")) == ("exact", [0, 2])


def test_what_is_volatile_in_the_dialect_is_looked_through_behind_what_is_the_same(tmp_path: Path) -> None:
    found = made(tmp_path, chat("Hi", user="anna"), chat("Hi", user="ben"))
    assert find(found, chat("Hi", user="ben")) == ("exact", [1])
    assert find(found, chat("Hi", user="carl")) == ("masked", [0, 1])
    assert find(found, chat("Hi", user="carl"), match="exact") is None
    assert find(found, chat("Hi", user="carl", temperature=1)) is None


def test_the_users_masks_are_looked_through_too(tmp_path: Path) -> None:
    masks = Masks(["temperature", "request:messages[0]"])
    found = made(tmp_path, chat("It is 12:00", "Fine", "Bye", temperature=0))
    assert find(found, chat("It is 12:01", "Fine", "Bye", temperature=1), masks=masks) == ("masked", [0])
    assert find(found, chat("It is 12:01", "Fine", "No", temperature=1), masks=masks) is None


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (chat("a", "b", "c", temperature=1), 1),  # the same messages
        (
            {**chat("a", "b", "c"), "messages": [{"role": "system", "content": "!"}, *chat("a", "b", "c")["messages"]]},
            1,
        ),
        (chat("a", "b", "other"), 1),  # the same up to the last answer
        (chat("a", "b", "c", "d", "other"), 2),
        (chat("a", "b", "other", "x", "y"), 2),  # the same up to the first answer: one of as many answers
        (chat("a", "b", "c", "d", "e", "f", "g"), 2),
        (chat("other"), None),
        (chat("a", "other", "c"), None),
    ],
)
def test_a_conversation_that_begins_alike_is_found_where_that_is_wanted(
    tmp_path: Path, asked: Any, place: int | None
) -> None:
    found = made(tmp_path, chat("a"), chat("a", "b", "c"), chat("a", "b", "c", "d", "e"))
    assert find(found, asked) is None
    assert find(found, asked, match="prefix") == (None if place is None else ("prefix", [place]))
    assert find(found, asked, "/v1/other/chat/completions", match="prefix") is None


def test_what_was_not_answered_was_not_whole_or_still_runs_is_not_played(tmp_path: Path) -> None:
    running = exchange(request(chat("c")), ok(), 2, completed=False)
    asked = msgspec.structs.replace(running.metadata.request, sha256=None)
    found = library(
        tmp_path,
        exchange(request(chat("a")), b"", 0),
        exchange(request(chat("b"))[:-1], ok(), 1),
        running._replace(metadata=msgspec.structs.replace(running.metadata, request=asked)),
        exchange(request(chat("d")), ok(), 3),
    )
    assert [entry.started_at[17:19] for entry in found.entries] == ["03"]
    assert found.unplayable == 2


def test_a_growing_folder_is_looked_at_again(tmp_path: Path) -> None:
    found = made(tmp_path, chat("a"))
    matcher = Matcher(found, PlaySettings(), BUILT_IN)
    assert matcher.find(question(chat("b", user="x"))) is None
    library(tmp_path, exchange(request(chat("b", user="y")), ok(), 5))
    (tmp_path / "2026-09-13_02-11-07.000_00000008_request.bin").write_bytes(request(chat("half")))  # and no more yet
    assert (found.refresh(), found.refresh()) == (1, 0)
    late = matcher.find(question(chat("b", user="x")))
    assert late is not None
    assert (late.how, late.entries[0].started_at[17:19]) == ("masked", "05")


@pytest.mark.parametrize(
    ("repeat", "places"), [("last", [0, 1, 1, 1]), ("again", [0, 1, 0, 1]), ("never", [0, 1, None, None])]
)
def test_the_same_request_gets_its_recordings_in_order(tmp_path: Path, repeat: Any, places: list[int | None]) -> None:
    found = made(tmp_path, chat("a"), chat("a"))
    turns = Turns(repeat)
    candidates = Candidates("exact", b"key", found.entries)
    taken = [turns.take(candidates) for _ in places]
    assert [each and found.entries.index(each.entry) for each in taken] == places
    other = turns.take(Candidates("exact", b"other", found.entries))
    assert other is not None
    assert (other.entry, other.turn, other.of) == (found.entries[0], 1, 2)
