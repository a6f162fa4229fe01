"""Builds a store of a million exchanges: `python -m bench.make_store FOLDER [--count N] [--files] [--seed N]`.

By default they are in the index alone, and of their files only the names are there, as links to an empty one: as many
real files would take twelve gigabytes. What reads the index or looks which recordings exist sees no difference; what
reads recordings does. `--files` writes the files and no index, which `recorder reindex` then makes.
"""

import argparse
import itertools
import os
import sys
import time
from pathlib import Path

from bench import made_files
from bench.made import Made, make
from ingest_server.index.entry import Entry, entry_of
from ingest_server.index.schema import index_path
from ingest_server.index.writer import IndexWriter
from traffic.capture import names

_BATCH = 1_000
_LINKS_MAX = 60_000  # of one file: ext4 allows 65,000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.make_store", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", action="store_true", help="write each exchange's files, and no index")
    parser.add_argument("--events", type=int, default=0, help="with --files: stream the answers in so many events")
    options = parser.parse_args()
    began_s = time.monotonic()
    if options.files:
        write_files(options.folder, options.count, options.seed, options.events)
    else:
        write_index(options.folder, options.count, options.seed)
    print(f"{options.count:,} exchanges in {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return 0


def write_files(folder: Path, count: int, seed: int = 1, events: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for made in make(count, seed):
        for part, data in zip(names.PARTS, _in_order(made, events), strict=True):
            with open(f"{folder}/{made_files.stem_of(made)}{part}", "wb") as file:  # noqa: PTH123
                file.write(data)


def write_index(folder: Path, count: int, seed: int = 1) -> None:
    path = index_path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = IndexWriter(path)
    numbers = itertools.count()
    exchanges = make(count, seed)
    while batch := list(itertools.islice(exchanges, _BATCH)):
        for each in batch:
            _link_names(folder, made_files.stem_of(each), next(numbers))
        writer.put([_entry(each) for each in batch])
    writer.close()


def _in_order(made: Made, events: int) -> tuple[bytes, bytes, bytes]:
    files = made_files.files_of(made, events)
    return files.request, files.response, files.metadata


def _entry(made: Made) -> Entry:
    return entry_of(made_files.stem_of(made), made_files.facts_of(made), made_files.decoded(made), "bench")


def _link_names(folder: Path, stem: str, number: int) -> None:
    linked = f"{folder}/.empty-{number * len(names.PARTS) // _LINKS_MAX}"
    if not os.path.exists(linked):  # noqa: PTH110
        Path(linked).touch()
    for part in names.PARTS:
        os.link(linked, f"{folder}/{stem}{part}")


if __name__ == "__main__":
    sys.exit(main())
