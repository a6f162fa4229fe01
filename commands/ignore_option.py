"""The `--ignore` option: JSON paths that are no difference, as replay/masks.py says, or files of them.

A file holds one path a line; what `recorder diff --learn` prints is such a file. Called by the commands that compare.
"""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from commands.plain_text import plain
from replay.json_path import JsonPathError
from replay.masks import Masks

COMPARED = (
    "Pass over this JSON path of bodies and answers, as in 'choices[*].message.annotations'; `request:PATH`, "
    "`response:PATH` and `answer:PATH` hold for those, `header:NAME` for a header. Repeatable."
)


def ignore_option(help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command's function gets `masks`."""
    return click.option(
        "--ignore",
        "masks",
        metavar="PATH|@FILE",
        multiple=True,
        callback=lambda _context, _option, texts: _masks(texts),
        help=help_text,
    )


def _masks(texts: tuple[str, ...]) -> Masks:
    try:
        return Masks([path for text in texts for path in _paths(text)])
    except JsonPathError as error:
        raise click.BadParameter(plain(str(error))) from None


def _paths(text: str) -> Iterator[str]:
    if not text.startswith("@"):
        yield text
        return
    try:
        lines = Path(text[1:]).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is no text"
        raise click.BadParameter(f"{plain(text[1:])}: {problem}") from None
    for line in lines:
        yield from _of_line(line.strip())


def _of_line(line: str) -> Iterator[str]:
    """`# why` says nothing; `--ignore 'PATH'` is as a shell reads it."""
    if line.startswith("--ignore"):
        try:
            line = "".join(shlex.split(line.removeprefix("--ignore").lstrip("= ")))
        except ValueError:
            raise click.BadParameter(f"{plain(line)}: its quotation is not closed") from None
    if line and not line.startswith("#"):
        yield line


def as_options(paths: tuple[str, ...]) -> Iterator[str]:
    """A line for each, for a shell and for a file."""
    for path in paths:
        yield f"--ignore {shlex.quote(path)}"
