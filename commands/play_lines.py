"""What `recorder play` tells: a line per answer on stdout, and on stderr why there was none.

    12:05:45 POST /openai/v1/chat/completions 200 exact f5300dbf
    12:05:46 POST /openai/v1/chat/completions 200 masked b159a035 (2 of 3)
    12:05:47 POST /openai/v1/chat/completions 404 miss

Lines are written by the event loop, several at once where many come. Called by play.py.
"""

import asyncio
import contextlib
import sys
from datetime import datetime

import click

from commands.plain_text import plain
from replay.play.server import Told
from traffic.capture.names import short_id

FLUSH_INTERVAL_S = 0.02
_STYLES = {"exact": "green", "masked": "cyan", "prefix": "yellow", "forwarded": "blue"}


class PlayLines:
    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._lines: list[str] = []
        self._problems: list[str] = []

    def tell(self, told: Told) -> None:
        if not self._lines and not self._problems:
            asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self.flush)
        if not self._is_quiet:
            self._lines.append(_line(told, datetime.now()))  # noqa: DTZ005 local time, as on the recorder's console
        if told.miss is not None:
            self._problems.append(f"{click.style(told.how, fg='red')}: {plain(told.miss.text)}")

    def flush(self) -> None:
        lines, problems = self._lines, self._problems
        self._lines, self._problems = [], []
        try:
            if lines:
                click.echo("\n".join(lines))
        except OSError:  # nobody reads stdout any more: playing goes on
            self._is_quiet = True
            sys.stdout = None  # as where there was none from the start
        with contextlib.suppress(OSError):
            if problems:
                click.echo("\n".join(problems), err=True)


def _line(told: Told, now: datetime) -> str:
    words = [f"{now:%H:%M:%S}", told.method, plain(told.target), str(told.status or "-")]
    words.append(click.style(told.how, fg=_STYLES.get(told.how, "red")))
    if told.chosen is not None:
        words.append(short_id(told.chosen.entry.id))
        if told.chosen.of > 1:
            words.append(f"({min(told.chosen.turn, told.chosen.of)} of {told.chosen.of})")
    return " ".join(word for word in words if word)
