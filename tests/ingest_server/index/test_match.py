"""What a person looks for, as FTS5 is asked for it."""

import sqlite3

import pytest

from ingest_server.index.filters import FilterError, Filters
from ingest_server.index.match import match_expression
from ingest_server.index.queries import Queries
from tests.ingest_server.index.filled import put
from tests.ingest_server.index.kept import kept


def _beginning(beginning: str) -> list[str]:
    return [word for word in ("mode", "modern", "model") if word.startswith(beginning)]


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("dark mode", '"dark" AND "mode"'),
        ('"dark mode" x', '"dark mode" AND "x"'),
        ('"dark mode', '"dark mode"'),
        ("mod*", '("mode" OR "modern" OR "model")'),
        ("Modé*", '("mode" OR "modern" OR "model")'),
        ('"dark mod"*', '("dark mode" OR "dark modern" OR "dark model")'),
        ("dark-mode*", '("dark-mode" OR "dark-modern" OR "dark-model")'),
        ("xyz* dark", None),
        ("NOT a AND (b) OR c:d ^e", '"NOT" AND "a" AND "AND" AND "(b)" AND "OR" AND "c:d" AND "^e"'),
        ('x"y', '"x" AND "y"'),
        ("a\0b", '"a" AND "b"'),
        ("- * ( \" '", None),
        ("", None),
    ],
)
def test_words_are_quoted_and_beginnings_become_the_words_that_begin_so(text: str, expression: str | None) -> None:
    assert match_expression(text, _beginning) == expression


def _found(queries: Queries, text: str) -> list[str]:
    return [each.call.preview for each in queries.exchanges(Filters(q=text)).exchanges if each.call is not None]


def test_a_beginning_finds_the_words_that_are_there(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(1, "Café au lait"), kept(2, "read_file failed"), kept(3, "cafeteria"), kept(4, "caf")])
    assert _found(queries, "café*") == ["cafeteria", "Café au lait"]
    assert _found(queries, "CAF*") == ["caf", "cafeteria", "Café au lait"]
    assert _found(queries, "read_fi*") == ["read_file failed"]
    assert _found(queries, '"au la"*') == ["Café au lait"]
    assert _found(queries, "lait* x*") == []


def test_a_beginning_of_too_many_words_is_refused(index: sqlite3.Connection, queries: Queries) -> None:
    put(index, [kept(1, " ".join(f"x{number}" for number in range(200)))])
    assert len(_found(queries, "x*")) == 1
    put(index, [kept(2, "x200")])
    with pytest.raises(FilterError) as raised:
        queries.exchanges(Filters(q="X*"))
    assert str(raised.value) == "q: more than 200 words begin with x; expected more of the word"
