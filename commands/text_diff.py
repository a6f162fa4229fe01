"""What changed in a text, word by word, as a person reads it: `It is [-Paris-]{+Lyon+}.`

Lines that are the same are left out but for those beside a change, and the middle of long stretches as well. The marks
stand where there are no colours, too. Pure; called by what prints comparisons.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from rich.text import Text

from commands.plain_text import plain

REMOVED, ADDED = "red", "green"
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")
_COMPARISONS_MAX: Final = 4_000_000  # of lines or words with each other; more are shown as removed and added
_BESIDE_LINES: Final = 1
_BESIDE_CHARACTERS: Final = 60
_LEFT_OUT: Final = "…"


def changed_words(a: str, b: str) -> list[Text]:
    """Lines."""
    lines = (a.splitlines(), b.splitlines())
    shown: list[Text] = []
    for tag, (start_a, end_a), (start_b, end_b) in _steps(*lines):
        if tag == "equal":
            shown += _beside(lines[0][start_a:end_a], is_first=start_a == 0, is_last=end_a == len(lines[0]))
        else:
            block = _changed_block("\n".join(lines[0][start_a:end_a]), "\n".join(lines[1][start_b:end_b]))
            shown += block.split("\n", allow_blank=True)
    if not shown or a.splitlines() == b.splitlines():  # line ends differ alone
        return [_removed(repr(a)), _added(repr(b))]
    return shown


def _steps(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[str, tuple[int, int], tuple[int, int]]]:
    if len(a) * len(b) > _COMPARISONS_MAX:
        yield "replace", (0, len(a)), (0, len(b))
        return
    for tag, start_a, end_a, start_b, end_b in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        yield tag, (start_a, end_a), (start_b, end_b)


def _beside(lines: list[str], *, is_first: bool, is_last: bool) -> list[Text]:
    """What is kept of lines that are the same."""
    before = 0 if is_first else _BESIDE_LINES
    behind = 0 if is_last else _BESIDE_LINES
    if len(lines) <= before + behind:
        kept = [plain(line) for line in lines]
    else:
        kept = [*map(plain, lines[:before]), _LEFT_OUT, *map(plain, lines[len(lines) - behind :])]
    return [Text(_shortened(line, is_first=False, is_last=False)) for line in kept]


def _changed_block(a: str, b: str) -> Text:
    words = _WORDS.findall(a), _WORDS.findall(b)
    line = Text()
    for tag, (start_a, end_a), (start_b, end_b) in _steps(*words):
        removed, added = "".join(words[0][start_a:end_a]), "".join(words[1][start_b:end_b])
        if tag == "equal":
            line.append(_shortened(plain(removed), is_first=start_a == 0, is_last=end_a == len(words[0])))
            continue
        line.append_text(_removed(removed) if removed else Text())
        line.append_text(_added(added) if added else Text())
    return line


def _shortened(text: str, *, is_first: bool, is_last: bool) -> str:
    """Without the middle, where it is long; without what is far from a change."""
    if is_first and is_last:
        return text
    start = 0 if is_first else _BESIDE_CHARACTERS
    end = 0 if is_last else _BESIDE_CHARACTERS
    return text if len(text) <= start + end + 3 else f"{text[:start]} {_LEFT_OUT} {text[len(text) - end :]}"


def _removed(text: str) -> Text:
    return Text(f"[-{plain(text)}-]", REMOVED)


def _added(text: str) -> Text:
    return Text(f"{{+{plain(text)}+}}", ADDED)
