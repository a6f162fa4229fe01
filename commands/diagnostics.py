"""What goes to stderr, and whether what is written is coloured. Called once, before a command runs.

Diagnostics are log records on stderr; data and console lines go to stdout. NO_COLOR (https://no-color.org) turns off
click's colours; the console looks at it itself.

Of an exception that nobody expected, stderr gets its type and where it came from, never its own words: those may quote
what passed through the program, secrets included.
"""

import asyncio
import logging
import os
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import click

log = logging.getLogger(__name__)

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

TRACEBACK_LINES_MAX = 200
LEVELS = ["debug", "info", "warning", "error"]


def set_up_diagnostics(context: click.Context, level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    sys.excepthook = _report_uncaught
    threading.excepthook = lambda problem: _report_uncaught(problem.exc_type, problem.exc_value, problem.exc_traceback)
    if os.environ.get("NO_COLOR"):
        context.color = False


def report_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler; its own one shows what callbacks were called with."""
    error = context.get("exception")
    log.error("%s", context["message"] if error is None else "a callback or task failed", exc_info=error)


class _Formatter(logging.Formatter):
    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 (logging's name)
        lines: list[str] = []
        error = ei[1]
        while error is not None and len(lines) < TRACEBACK_LINES_MAX:
            lines = [*traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}\n", *lines]
            error = error.__cause__ or error.__context__
        return "".join(lines).rstrip()


def _report_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    log.critical("the program failed", exc_info=(kind, error, trace))
