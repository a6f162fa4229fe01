"""What goes to stderr, and whether what is written is coloured. Called once, before a command runs.

Diagnostics are log records on stderr; data and console lines go to stdout. NO_COLOR (https://no-color.org) turns off
click's colours; the console looks at it itself.
"""

import logging
import os

import click

LEVELS = ["debug", "info", "warning", "error"]


def set_up_diagnostics(context: click.Context, level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if os.environ.get("NO_COLOR"):
        context.color = False
