"""Batches are written with low priority, but for what comes where a journal grows."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest_server.background import NICENESS, Background
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from ingest_server.writer import BEHIND_BYTES, Writer

LOWEST = 19


@contextmanager
def background(*, gives_way: bool) -> Iterator[Background]:
    thread = Background(gives_way=gives_way)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def niceness_in(thread: Background) -> int:
    seen: list[int] = []
    thread.run(lambda: seen.append(os.getpriority(os.PRIO_PROCESS, 0)))
    return seen[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_only_the_thread_in_the_background_gives_way_and_only_where_it_may() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    with background(gives_way=True) as lowered, background(gives_way=False) as usual:
        assert niceness_in(lowered) == min(own + NICENESS, LOWEST)
        assert niceness_in(usual) == own
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_what_work_raises_reaches_the_caller_and_the_next_is_done() -> None:
    with background(gives_way=True) as thread:
        with pytest.raises(SystemExit):
            thread.run(sys.exit)
        assert niceness_in(thread) >= 0


async def test_a_backlog_is_worked_off_by_the_writers_own_thread_and_its_threads_end(tmp_path: Path) -> None:
    writer = Writer(Store(IngestSettings(log_dir=tmp_path)), lambda _: None, lambda _: None, gives_way=True)
    before = set(threading.enumerate())
    writer.start()
    own = set(threading.enumerate()) - before
    sizes = [0, BEHIND_BYTES - 1, BEHIND_BYTES, BEHIND_BYTES + 1, 1]
    names = [await writer.run(lambda: threading.current_thread().name, size) for size in sizes]
    assert names == ["background", "background", "writer", "writer", "background"]
    await writer.stop()
    assert len(own) == 2
    assert not own & set(threading.enumerate())
