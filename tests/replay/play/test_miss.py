"""A miss explains itself: the nearest recording, where it differs, and what to ignore."""

from pathlib import Path
from typing import Any

import pytest

from replay.masks import Masks
from replay.play.matching import Matcher
from replay.play.miss import Difference, Miss, all_played, explain
from replay.play.settings import PlaySettings
from tests.replay.play.made import CHAT, chat, exchange, library, ok, recorded, request
from tests.replay.play.test_matching import made, question
from traffic.llm.dialects import BUILT_IN

NEAREST = f"no recording answers POST {CHAT}: the nearest, 00000002 of 2026-09-13 02:11:01, differs at "


def missed(folder: Path, *documents: Any, asked: Any, target: str = CHAT, masks: Masks | None = None) -> Miss:
    found = made(folder, *documents)
    matcher = Matcher(found, PlaySettings(masks=masks or Masks()), BUILT_IN)
    assert matcher.find(question(asked, target)) is None
    return explain(question(asked, target), found, matcher)


def test_the_nearest_recording_is_named_with_the_path_that_differs_and_what_to_ignore(tmp_path: Path) -> None:
    miss = missed(
        tmp_path,
        chat("Other", "things", "were", "said"),
        chat("Hi", temperature=0, user="anna"),
        asked=chat("Hi", temperature=0.5, user="ben"),
    )
    assert miss == Miss(
        NEAREST + "temperature (0.5 here, 0 recorded). It is played with --ignore temperature",
        "00000002-0000-0000-0000-000000000000",
        (Difference("temperature", "0.5", "0"),),
        ("temperature",),
    )
    masks = Masks(miss.ignore)
    found = Matcher(made(tmp_path), PlaySettings(masks=masks), BUILT_IN).find(question(chat("Hi", temperature=0.5)))
    assert found is not None
    assert found.entries[0].id == miss.nearest


@pytest.mark.parametrize(
    ("asked", "where", "ignore"),
    [
        (chat("Hi", top_p=1), "top_p (1 here, nothing recorded)", ("top_p",)),
        (chat("Ho"), 'messages[0].content ("Ho" here, "Hi" recorded)', ("messages[0].content",)),
        (chat("Hi", "x", "y"), "messages (3 elements here, 1 element recorded)", ("messages",)),
        (
            {**chat("H" * 50), "model": True},
            f'model (true here, "tiny" recorded); messages[0].content ("{"H" * 39}… here, "Hi" recorded)',
            ("model", "messages[0].content"),
        ),
    ],
)
def test_each_kind_of_difference_is_told_and_ignoring_it_helps(
    tmp_path: Path, asked: Any, where: str, ignore: tuple[str, ...]
) -> None:
    miss = missed(tmp_path, chat(*"abcdefg"), chat("Hi"), asked=asked)
    options = " ".join(f"--ignore '{path}'" if "[" in path else f"--ignore {path}" for path in ignore)
    assert miss.text == f"{NEAREST}{where}. It is played with {options}"
    assert miss.ignore == ignore
    matcher = Matcher(made(tmp_path), PlaySettings(masks=Masks(ignore)), BUILT_IN)
    assert matcher.find(question(asked)) is not None


def test_of_many_differences_the_first_are_told_and_nothing_is_proposed(tmp_path: Path) -> None:
    miss = missed(tmp_path, chat("a"), chat("Hi"), asked={"a": 1, "b": 2, "messages": chat("Hi")["messages"], "c": 3})
    shown = "a (1 here, nothing recorded); b (2 here, nothing recorded); c (3 here, nothing recorded)"
    assert miss.text == f"{NEAREST}{shown}; and 1 more"
    assert miss.ignore == ()


def test_bodies_that_are_no_json_differ_as_a_whole(tmp_path: Path) -> None:
    miss = missed(tmp_path, b"nothing like it", b"plain text", asked=b"other text")
    assert miss.text == f"{NEAREST}the body as a whole (10 bytes here, 10 bytes recorded)"


def test_where_nothing_was_recorded_at_a_target_what_there_is_is_told(tmp_path: Path) -> None:
    miss = missed(tmp_path, chat("Hi"), asked=chat("Hi"), target="/v1/chat/completion")
    assert miss == Miss(
        "no recording answers POST /v1/chat/completion: there are recordings of POST /v1/chat/completions, "
        "POST /openai/v1/chat/completions"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    miss = missed(empty, asked=chat("Hi"))
    assert miss.text == f"no recording answers POST {CHAT}: there are no recordings"


def test_what_was_played_already_says_so() -> None:
    assert all_played(question(chat("Hi")), 1).text == (
        f"no recording answers POST {CHAT}: the recording of it was played already"
    )
    assert all_played(question(chat("Hi")), 2).text == (
        f"no recording answers POST {CHAT}: all 2 recordings of it were played already"
    )


def test_a_body_nested_too_deeply_is_a_miss_like_any(tmp_path: Path) -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    found = library(tmp_path, exchange(recorded(request(deep)), ok()))
    matcher = Matcher(found, PlaySettings(match="prefix"), BUILT_IN)
    asked = question(deep.replace(b"1", b"2"))
    assert matcher.find(asked) is None
    assert "no recording answers" in explain(asked, found, matcher).text
