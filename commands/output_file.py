"""Where a command writes what may become large: stdout, or a file that is there whole or not at all.

    a file         is written beside its place, and takes it when all of it is on the disk; what was there stays until
                   then, and for good where anything fails, Ctrl-C included
    stdout, and    is written as it comes; what needs a file on the disk is written into one first, and then copied
    pipes, devices

Such files are for their owner alone, like recordings, unless the file that was there was for others, too.
"""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click

from commands.plain_text import plain


@contextmanager
def output_file(out: Path | None, *, needs_a_file: bool) -> Iterator[BinaryIO]:
    """`out`: None for stdout. `needs_a_file`: it is read and sought. Raises click.ClickException where the disk refuses
    it; BrokenPipeError where nobody reads.
    """
    try:
        if out is None or (out.exists() and not out.is_file()):
            yield from _streamed(out, needs_a_file=needs_a_file)
        else:
            yield from _replaced(Path(os.path.realpath(out)))
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = error.strerror or str(error)
        if out is not None and not out.parent.is_dir():
            problem = f"there is no folder {out.parent}"
        where = str(out) if out is not None else "stdout"
        raise click.ClickException(plain(f"{where} cannot be written: {problem}")) from None


def _replaced(target: Path) -> Iterator[BinaryIO]:
    with _folder(target.parent, f".{target.name}.") as folder:
        path = folder / "export"
        with path.open("w+b") as file:
            mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        path.replace(target)
    _sync(target.parent)


def _streamed(out: Path | None, *, needs_a_file: bool) -> Iterator[BinaryIO]:
    stream = cast("BinaryIO", sys.stdout.buffer) if out is None else out.open("wb")
    try:
        if needs_a_file:
            with _folder(None, "recorder-export-") as folder, (folder / "export").open("w+b") as file:
                yield file
                file.seek(0)
                shutil.copyfileobj(file, stream)
        else:
            yield stream
        stream.flush()
    finally:
        if out is not None:
            stream.close()


@contextmanager
def _folder(parent: Path | None, prefix: str) -> Iterator[Path]:
    """One of our own, gone at the end: what writes the file may put others beside it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(folder: Path) -> None:
    """So that the new name outlives a loss of power; not every system lets folders be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
