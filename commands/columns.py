"""Rows of columns that fit where they are printed: what `list`, `tail`, `search`, `stats` and `sessions` are made of.

On a terminal columns give way where they do not fit: those that say nothing first, then the one with the highest
`gives_way`; then those with a `width_min` get narrower. What a column cannot show ends in `…`. Elsewhere, in a pipe or
a file, all columns are there in full, with `-` for nothing, so that programs find each in its place. Rows can be
written one by one: the widths are fixed at the start.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from commands.plain_text import plain

GAP = "  "
NOTHING = "-"
LAST_WIDTH_MIN = 20  # of the last column, before another gives way to it


class Column(NamedTuple):
    title: str
    text: Callable[[Any], str]  # of a row's value, in one line
    full: Callable[[Any], str] | None = None  # the same where nobody's terminal is too narrow
    width_max: int = 40  # on a terminal
    width_min: int = 0  # as narrow it may get on a terminal; 0: not at all
    width_usual: int = 0  # what rows that come later may need
    is_number: bool = False
    gives_way: int = 0  # 0: never
    style: Callable[[Any], str] = lambda _value: ""


def stdout_console() -> Console:
    """Where a terminal is, as wide as that; NO_COLOR is honoured by rich itself."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def terminal_width(console: Console) -> int | None:
    """None: there is no terminal."""
    return console.width if console.is_terminal else None


class Rows:
    def __init__(
        self, columns: Sequence[Column], samples: Sequence[Any], width: int | None, *, more_come: bool = False
    ) -> None:
        """`samples`: values whose texts set the widths. `width`: of the terminal; None: there is none. `more_come`:
        rows of other values as well.
        """
        self._width = width
        widths = [self._natural_width(column, samples) for column in columns]
        if more_come:
            widths = [max(width, column.width_usual) for width, column in zip(widths, columns, strict=True)]
        self._columns = list(zip(columns, widths, strict=True))
        if width is not None:
            self._fit(width, [] if more_come else samples)

    def title(self) -> Text:
        return self._line([Text(column.title, style="bold") for column, _ in self._columns])

    def row(self, value: Any) -> Text:
        return self._line([Text(self._text(column, value), style=column.style(value)) for column, _ in self._columns])

    def _text(self, column: Column, value: Any) -> str:
        text = (column.full or column.text if self._width is None else column.text)(value)
        return plain(text).replace("\n", " ").replace("\t", " ") or NOTHING

    def _natural_width(self, column: Column, samples: Sequence[Any]) -> int:
        widest = max((cell_len(self._text(column, value)) for value in samples), default=0)
        return max(cell_len(column.title), widest if self._width is None else min(widest, column.width_max))

    def _fit(self, width: int, samples: Sequence[Any]) -> None:
        """The last column gets what the others leave."""

        def gives_way(column: Column) -> tuple[bool, int]:
            is_empty = bool(samples) and all(self._text(column, value) == NOTHING for value in samples)
            return is_empty and column.gives_way > 0, column.gives_way

        wanted = min(LAST_WIDTH_MIN, self._columns[-1][1])
        while self._left(width) < wanted:
            goes = max(self._columns, key=lambda each: gives_way(each[0]))
            if not goes[0].gives_way:
                break
            self._columns.remove(goes)
        for place, (column, natural) in enumerate(self._columns):
            if column.width_min:
                narrower = natural - max(0, wanted - self._left(width))
                self._columns[place] = column, min(natural, max(column.width_min, narrower))
        last, natural = self._columns[-1]
        self._columns[-1] = last, max(1, min(natural if last.width_max < width else width, self._left(width)))

    def _left(self, width: int) -> int:
        return width - sum(each + len(GAP) for _, each in self._columns[:-1])

    def _line(self, cells: list[Text]) -> Text:
        line = Text(end="")
        for place, (cell, (column, width)) in enumerate(zip(cells, self._columns, strict=True)):
            is_last = place == len(cells) - 1
            if self._width is not None:
                cell.truncate(width, overflow="ellipsis")
            space = " " * max(0, width - cell.cell_len)
            line.append_text(Text(space) + cell if column.is_number else cell)
            if not is_last:
                line.append(GAP if column.is_number else space + GAP)
        if self._width is not None:
            line.truncate(self._width)
        return line
