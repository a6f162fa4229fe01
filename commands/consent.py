"""Asks before requests are sent that a provider charges for. Called by the commands that replay."""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

from commands.figures import cost, counted
from commands.plain_text import plain


class Charged(NamedTuple):
    """A request that is paid for each time."""

    method: str
    reaches: str  # the origin that charges for it
    expected_usd: float | None  # None: nobody knows


def ask_before_paying(charged: Sequence[Charged], times: int = 1) -> None:
    """Raises click.ClickException where nobody can be asked, click.Abort where the answer is no."""
    if not charged:
        return
    places = ", ".join(dict.fromkeys(each.reaches for each in charged))
    methods = "/".join(dict.fromkeys(each.method for each in charged))
    count = len(charged) * times
    go, them = ("goes", "it") if count == 1 else ("go", "them")
    text = f"{counted(count, f'{methods} request')} {go} to {places}, which charges for {them}"
    if all(each.expected_usd is not None for each in charged):
        expected = sum(each.expected_usd or 0.0 for each in charged) * times
        text += f" (as recorded: {cost(expected)})"
    if not sys.stdin.isatty():
        raise click.ClickException(plain(f"{text}; --yes sends {them} without asking"))
    click.confirm(plain(f"{text}. Send?"), abort=True, err=True)
