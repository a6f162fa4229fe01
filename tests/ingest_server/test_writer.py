"""A batch in which a piece of work fails: those before it are not acknowledged, those behind it are done."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ingest_server.door import Caller, Door, Incoming
from ingest_server.settings import IngestSettings
from ingest_server.store import Applied, OffsetMismatchError, Store
from ingest_server.writer import Writer
from tests.ingest_server.recorder_side import JOURNAL, described, request, response, started, whole

ID = "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"
OTHER = JOURNAL.replace("1", "7")


def fail() -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(IngestSettings(log_dir=tmp_path))


async def outcomes(store: Store, *work: Callable[[], object]) -> list[object]:
    """What each piece of one batch returns or raises."""
    writer = Writer(store, lambda _: None, lambda _: None, gives_way=True)

    async def start() -> None:
        writer.start()

    *replies, _ = await asyncio.gather(*map(writer.run, work), start(), return_exceptions=True)
    await writer.stop()
    return replies


async def test_a_piece_that_fails_fails_those_before_it_and_none_behind_it(store: Store) -> None:
    done: list[int] = []
    replies = await outcomes(store, partial(done.append, 1), fail, partial(done.append, 2), fail, lambda: "last")
    assert [str(reply) for reply in replies] == [
        "[Errno 28] No space left on device",
        "[Errno 28] No space left on device",
        "[Errno 28] No space left on device",
        "[Errno 28] No space left on device",
        "last",
    ]
    assert done == [1, 2]
    assert store.tally.write_errors == 2


async def test_a_journal_continues_behind_a_failure_where_it_is_stored_and_others_where_they_were(
    store: Store, tmp_path: Path
) -> None:
    beginning = started(1) + request(1)
    unsettled, _, behind, other = await outcomes(
        store,
        partial(store.apply, JOURNAL, 0, [beginning]),
        fail,
        partial(store.apply, JOURNAL, len(beginning), [response(1)]),
        partial(store.apply, OTHER, 0, [whole(2)]),
    )
    assert isinstance(unsettled, OSError)
    assert isinstance(behind, OffsetMismatchError)
    assert (behind.next, behind.stored) == (0, 0)
    assert isinstance(other, Applied)
    assert other.journal.stored == len(whole(2))
    assert described(tmp_path, 2)["completed"] is True


async def test_a_half_that_is_given_up_behind_a_failure_may_be_sent_again(store: Store) -> None:
    door = Door(store.files, store.tally, None)
    incoming, again = Incoming("request"), Incoming("request")
    caller = Caller("127.0.0.1:50123", 1_789_265_469_123_456_789)
    door.begin(incoming, ID, caller)
    _, dropped, begun = await outcomes(
        store, fail, partial(door.drop, incoming), partial(door.begin, again, ID, caller)
    )
    assert (dropped, begun) == (None, None)


async def test_each_piece_is_tried_while_the_store_cannot_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reset = store.reset

    def fail_once() -> None:
        monkeypatch.setattr(store, "reset", reset)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(store, "reset", fail_once)
    replies = await outcomes(store, fail, lambda: "unread", lambda: "read")
    assert [str(reply) for reply in replies] == [
        "[Errno 28] No space left on device",
        "[Errno 5] Input/output error",
        "read",
    ]
