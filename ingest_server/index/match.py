"""Turns what a person looks for into an FTS5 query (sqlite.org/fts5.html §3): words, "some words" in a row, begin*.

Any text is safe: every word is quoted, so that nothing in it is syntax. What has neither letter nor digit is passed
over.
"""

import re
from typing import Final

_TERM: Final = re.compile(r'"([^"]*)(?:"(\*)?|\Z)|([^\s"]+)')


def match_expression(text: str) -> str | None:
    """None: there is no word in it, so nothing holds them all."""
    terms = []
    for match in _TERM.finditer(text.replace("\0", " ")):
        words = match[1] if match[3] is None else match[3]
        if any(character.isalnum() for character in words):
            begins = match[2] or (words.endswith("*") and match[3])
            terms.append(f'"{words}"*' if begins else f'"{words}"')
    return " AND ".join(terms) or None
