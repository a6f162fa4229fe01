"""Turns what a person looks for into an FTS5 query (sqlite.org/fts5.html §3): words, "some words" in a row, begin*.

Any text is safe: every word is quoted, so that nothing in it is syntax. What has neither letter nor digit is passed
over. FTS5's own search by a beginning reads all places of all words that begin so, before it gives the first, and
cannot be interrupted: here those words are looked up, and stand in the query one by one.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Callable
from typing import Final

from ingest_server.index.filters import FilterError

BEGINNING_MAX: Final = 200  # words

_TERM: Final = re.compile(r'"([^"]*)(?:"(\*)?|\Z)|([^\s"]+)')
_WORD: Final = re.compile(r"[^\W_]+")  # as FTS5's unicode61 cuts them


def match_expression(text: str, words_beginning: Callable[[str], list[str]]) -> str | None:
    """None: nothing holds all of it."""
    terms = []
    for match in _TERM.finditer(text.replace("\0", " ")):
        said = match[1] if match[3] is None else match[3]
        words = list(_WORD.finditer(said))
        if not words:
            continue
        if match[2] or (match[3] is not None and said.endswith("*")):
            before = said[: words[-1].start()]
            meant = words_beginning(_plain(words[-1][0]))
            if not meant:
                return None
            terms.append("(" + " OR ".join(f'"{before}{word}"' for word in meant) + ")")
        else:
            terms.append(f'"{said}"')
    return " AND ".join(terms) or None


def words_beginning(database: sqlite3.Connection, beginning: str) -> list[str]:
    """Those in the index that begin so. Raises FilterError where they are too many."""
    database.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.places USING fts5vocab(main, words, instance)")
    found: list[str] = []
    sought = beginning
    while row := database.execute("SELECT term FROM temp.places WHERE term >= ? LIMIT 1", (sought,)).fetchone():
        if not row[0].startswith(beginning):
            break
        if len(found) == BEGINNING_MAX:
            raise FilterError(f"q: more than {BEGINNING_MAX} words begin with {beginning}; expected more of the word")
        found.append(row[0])
        sought = f"{row[0]}\1"  # behind all places of that word
    return found


def _plain(word: str) -> str:
    """As unicode61 keeps it: in lower case, without accents."""
    letters = unicodedata.normalize("NFD", word.lower())
    return "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
