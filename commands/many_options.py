"""The options that say how many requests are sent again, and when: `many_options` gives a command a Many."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import click

from replay.schedule import Schedule

UNDER_WAY_MAX = 10_000  # of a schedule with times, where nobody says less

_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:/(s|min|h))?")
_SPEED = re.compile(r"(\d+(?:\.\d+)?)x?")
_PER_S = {None: 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Many:
    schedule: Schedule
    under_way_max: int
    limit: int | None  # of exchanges
    is_dry_run: bool
    out: Path | None
    is_allowed: bool  # to send what is paid for
    cost_usd_max: float | None

    def shows_answers(self, count: int) -> bool:
        """Of so many requests, one after the other; else there is a summary alone."""
        return self.under_way_max == 1 and not self.schedule.has_times and (self.out is None or count == 1)


def many_options(function: Callable[..., None]) -> Callable[..., None]:
    """The command's function gets `many`."""

    @click.option(
        "--concurrency",
        metavar="N",
        type=click.IntRange(1),
        help="So many at a time. Default: 1; as many as it takes with --rate or --schedule recorded.",
    )
    @click.option(
        "--rate",
        metavar="R/s",
        callback=lambda _context, _option, text: _number(text, _RATE, "5/s, 0.5/s or 30/min"),
        help="So many a second (or /min, /h), however late answers come.",
    )
    @click.option(
        "--schedule",
        "kind",
        type=click.Choice(["recorded", "asap"]),
        help="recorded: as far apart as the recordings began, however late answers come. Default: asap.",
    )
    @click.option(
        "--speed",
        metavar="2x",
        callback=lambda _context, _option, text: _number(text, _SPEED, "2x or 0.5x"),
        help="So many times as fast as recorded.",
    )
    @click.option("--repeat", metavar="N", type=click.IntRange(1), default=1, help="All of them so many times.")
    @click.option("--limit", metavar="N", type=click.IntRange(1), help="The first N exchanges alone.")
    @click.option("--dry-run", "is_dry_run", is_flag=True, help="Print what would go where, and send nothing.")
    @click.option(
        "--out", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Keep what comes as recordings."
    )
    @click.option("--yes", "is_allowed", is_flag=True, help="Do not ask before sending what a provider charges for.")
    @click.option(
        "--max-cost",
        "cost_usd_max",
        metavar="USD",
        type=click.FloatRange(0),
        help="Stop before it costs more, as far as the recordings' costs tell.",
    )
    @wraps(function)
    def command(
        *,
        rate: float | None,
        kind: Literal["recorded", "asap"] | None,
        speed: float | None,
        concurrency: int | None,
        repeat: int,
        **options: Any,
    ) -> None:
        if rate is not None and kind is not None:
            raise click.UsageError("--rate and --schedule exclude each other")
        if speed is not None and kind != "recorded":
            raise click.UsageError("--speed is for --schedule recorded")
        schedule = Schedule(rate, (speed or 1.0) if kind == "recorded" else None, repeat)
        under_way_max = concurrency or (UNDER_WAY_MAX if schedule.has_times else 1)
        own = {each.name: options.pop(each.name) for each in fields(Many) if each.name in options}
        function(many=Many(schedule, under_way_max, **own), **options)

    return command


def _number(text: str | None, pattern: re.Pattern[str], examples: str) -> float | None:
    """Above 0; a second group is the time that it is of."""
    if text is None:
        return None
    match = pattern.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise click.BadParameter(f"expected {examples}, got {text!r}")
    return float(match[1]) / _PER_S[match[2] if pattern.groups > 1 else None]
