"""Which exchange is meant by an id, by its beginning, or by `last`; and what is said where none or several are."""

import sqlite3

import pytest

from ingest_server.index.problems import NotFoundError
from ingest_server.index.queries import Queries
from tests.ingest_server.index.filled import put
from tests.ingest_server.index.kept import kept

_FIRST = "092d0424-1111-4111-8111-111111111111"
_SECOND = "092d0499-2222-4222-8222-222222222222"
_THIRD = "ffff0000-3333-4333-8333-333333333333"


@pytest.fixture
def three(index: sqlite3.Connection, queries: Queries) -> Queries:
    put(index, [kept(number, id=each) for number, each in enumerate((_FIRST, _SECOND, _THIRD))])
    return queries


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_FIRST, _FIRST),
        (_FIRST.upper(), _FIRST),
        ("092d0424", _FIRST),
        ("092d0424-1", _FIRST),
        ("092d049", _SECOND),
        ("ffff", _THIRD),
        ("last", _THIRD),
        ("last~0", _THIRD),
        ("last~2", _FIRST),
    ],
)
def test_a_reference_means_one_exchange(three: Queries, text: str, expected: str) -> None:
    found = three.resolve(text)
    assert (found.id, found.stem) == (expected, f"2026-09-21_14-13-20.000_{expected[:8]}")
    assert three.exchange(text).id == expected


@pytest.mark.parametrize(
    ("text", "problem", "candidates"),
    [
        (
            "092d",
            (
                "092d: several exchanges' ids begin so\n"
                f"  {_FIRST} (2026-09-21T14:13:20Z POST http://localhost:5601/openai/v1/chat/completions)\n"
                f"  {_SECOND} (2026-09-21T14:13:21Z POST http://localhost:5601/openai/v1/chat/completions)"
            ),
            (_FIRST, _SECOND),
        ),
        (
            "ffff1",
            (
                "ffff1: no exchange's id begins so; the nearest is "
                f"{_THIRD} (2026-09-21T14:13:22Z POST http://localhost:5601/openai/v1/chat/completions)"
            ),
            (_THIRD,),
        ),
        ("aaaa", "aaaa: no exchange's id begins so", ()),
        ("092", "092: expected an exchange's id, four or more of its first digits, last or last~2", ()),
        ("last~", "last~: expected an exchange's id, four or more of its first digits, last or last~2", ()),
        ("hello", "hello: expected an exchange's id, four or more of its first digits, last or last~2", ()),
        ("last~3", "last~3: only 3 exchanges are recorded", ()),
    ],
)
def test_where_none_or_several_are_meant_it_is_said_which_may_be(
    three: Queries, text: str, problem: str, candidates: tuple[str, ...]
) -> None:
    with pytest.raises(NotFoundError) as raised:
        three.resolve(text)
    assert (str(raised.value), raised.value.candidates) == (problem, candidates)


def test_of_many_that_may_be_meant_five_are_named(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(number, id=f"abcd000{number}-1111-4111-8111-111111111111") for number in range(7)])
    with pytest.raises(NotFoundError) as raised:
        queries.resolve("abcd")
    lines = str(raised.value).split("\n")
    assert len(raised.value.candidates) == 5
    assert [lines[0], len(lines), lines[-1]] == ["abcd: several exchanges' ids begin so", 7, "  and more"]


@pytest.mark.parametrize(
    ("count", "text", "problem"),
    [
        (0, "last", "last: nothing is recorded yet"),
        (0, "abcd", "abcd: no exchange's id begins so"),
        (1, "last~1", "last~1: only one exchange is recorded"),
    ],
)
def test_of_a_few_recordings_it_is_said_how_many_there_are(
    index: sqlite3.Connection, queries: Queries, count: int, text: str, problem: str
) -> None:
    put(index, [kept(number) for number in range(count)])
    with pytest.raises(NotFoundError) as raised:
        queries.resolve(text)
    assert str(raised.value) == problem
