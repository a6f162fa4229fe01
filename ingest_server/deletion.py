"""How a recording goes: as a whole, and so that a crash at any moment leaves none that looks damaged.

    1  its metadata moves to `.ingest/deleting`: from then on it is no recording any more, for any reader
    2  its two `.bin` files are removed
    3  the metadata is removed

What a crash leaves behind step 1 is finished by `finish_deletions`, at the next start of the server or the next pass.
Knows nothing of what the server has in memory: it works from another thread or process as well. Called by the server,
by retention.py and by `recorder prune`.
"""

import contextlib
import os

from ingest_server import files
from traffic.capture import names


def delete(root: str, stem: str) -> bool:
    """`root` ends with a separator; `stem` is relative to it. False where the recording is gone already."""
    mark = _marks(root) + os.path.basename(stem) + names.METADATA  # noqa: PTH119 (text paths, as in files.py)
    try:
        os.replace(root + stem + names.METADATA, mark)  # noqa: PTH105
    except FileNotFoundError:
        return False
    _finish(root, stem, mark)
    return True


def prepare_deletions(root: str) -> None:
    """Make the folder that `delete` needs, and finish what a crash interrupted. Raises OSError."""
    for folder in (f"{root}.ingest", f"{root}.ingest{os.sep}deleting"):
        files.make_folder(folder)
    finish_deletions(root)


def finish_deletions(root: str) -> None:
    marks = _marks(root)
    try:
        found = os.listdir(marks)  # noqa: PTH208
    except FileNotFoundError:
        return
    for name in found:
        split = names.split(name)
        if split is None:
            continue  # not ours
        stem = split[0]
        for place in (stem, f"{stem[:10]}{os.sep}{stem}"):  # flat, daily
            if not os.path.exists(root + place + names.METADATA):  # noqa: PTH110 (else it was recorded anew)
                files.remove(root + place + names.REQUEST)
                files.remove(root + place + names.RESPONSE)
        files.remove(marks + name)


def remove_empty_days(root: str, before: str) -> None:
    """Remove the folders of days before that one (`2026-09-13`) in which nothing is left."""
    for name in os.listdir(root):  # noqa: PTH208
        if names.is_day(name) and name < before:
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(root + name)  # noqa: PTH106


def _finish(root: str, stem: str, mark: str) -> None:
    files.remove(root + stem + names.REQUEST)
    files.remove(root + stem + names.RESPONSE)
    files.remove(mark)


def _marks(root: str) -> str:
    return f"{root}.ingest{os.sep}deleting{os.sep}"
