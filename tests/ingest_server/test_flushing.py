"""When open exchanges are written: each at its own time, the longest waiting first, however others begin and end."""

import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from ingest_server import journal, store
from ingest_server.exchange import Exchange
from ingest_server.settings import IngestSettings
from ingest_server.store import FLUSH_S, HELD_BYTES_MAX, Store
from tests.ingest_server.recorder_side import (
    JOURNAL,
    closed,
    described,
    finished,
    recordings,
    request,
    response,
    started,
    whole,
)

EXCHANGES = 40
STEP_S = FLUSH_S / EXCHANGES


class Fed:
    """A store that gets a journal piece by piece, at moments that are set."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now_s = 1000.0
        monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=lambda: self._now_s, time=time.time))
        self.folder = folder
        self.store = Store(IngestSettings(log_dir=folder))
        self.extended = 0  # how often an exchange was written and stayed open
        keep = Exchange.keep

        def counted(exchange: Exchange, path: str) -> None:
            self.extended += 1
            keep(exchange, path)

        monkeypatch.setattr(Exchange, "keep", counted)
        self.next = 0
        self.stored = 0

    def send(self, data: bytes, after_s: float = 0.0) -> list[str]:
        """Returns the names of the exchanges that are written by now."""
        self._now_s += after_s
        applied = self.store.apply(JOURNAL, self.next, [data])
        self.store.settle()
        self.next, self.stored = applied.next, applied.journal.stored
        return sorted(name for name in recordings(self.folder) if name.endswith("_request.bin"))


@pytest.fixture
def fed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fed:
    return Fed(tmp_path, monkeypatch)


def test_streams_that_began_one_after_the_other_are_written_one_after_the_other(fed: Fed) -> None:
    for number in range(1, EXCHANGES + 1):
        assert len(fed.send(started(number) + request(number), STEP_S)) <= 1
    written = [len(fed.send(response(1), STEP_S)) for _ in range(EXCHANGES)]
    assert max(after - before for before, after in pairwise(written)) <= 2
    assert written[-1] >= EXCHANGES - 1


def test_what_is_stored_follows_streams_that_never_rest(fed: Fed) -> None:
    """Some of them always hold something: the others are not written early for that."""
    for number in range(1, EXCHANGES + 1):
        fed.send(started(number) + request(number), STEP_S)
    ends = [fed.next]
    for round_number in range(10):
        for number in range(1, EXCHANGES + 1):
            fed.send(response(number, b"x", round_number), STEP_S)
            assert fed.stored < fed.next
            ends.append(fed.next)
            assert fed.stored >= max(ends[: -EXCHANGES - 1], default=0)


def test_exchanges_that_overlap_without_end_are_written_together_once_in_a_while(fed: Fed) -> None:
    """An exchange that ends takes `stored` back to its start, where another was open: such a chain must not go on."""
    fed.send(started(1) + request(1))
    seen_s = []
    for number in range(2, 200):
        before = fed.stored
        fed.send(
            started(number) + request(number) + whole(number - 1)[len(started(number - 1) + request(number - 1)) :],
            0.05,
        )
        if fed.stored > before:
            seen_s.append(number * 0.05)
    gaps_s = [after - before for before, after in pairwise(seen_s)]
    assert gaps_s
    assert max(gaps_s) <= journal.CATCH_UP_S + FLUSH_S + 0.1


def test_streams_that_end_bring_no_others_forward(fed: Fed) -> None:
    """Each is written at its own time, also while others end and what is stored has to follow."""
    open_exchanges = list(range(1, EXCHANGES + 1))
    offsets = dict.fromkeys(open_exchanges, 0)
    for number in open_exchanges:
        fed.send(started(number) + request(number), STEP_S)
    number = EXCHANGES
    most = 0
    for step in range(20 * EXCHANGES):
        each = open_exchanges[step % EXCHANGES]
        frames = response(each, b"x", offsets[each])
        offsets[each] += 1
        if step % 13 == 12:  # it ends, another one begins
            number += 1
            frames += finished(each, response_bytes=offsets[each]) + started(number) + request(number)
            open_exchanges[step % EXCHANGES], offsets[number] = number, 0
        before = fed.extended
        fed.send(frames, STEP_S)
        most = max(most, fed.extended - before)
    assert most <= 3


def test_where_much_is_in_memory_the_longest_waiting_go_first(fed: Fed) -> None:
    fed.send(started(1) + request(1))
    fed.send(started(2) + request(2))
    block = b"x" * (HELD_BYTES_MAX // 200)
    number = 3
    while not (names := fed.send(started(number) + request(number, block))):
        number += 1
    assert [int(name.split("_")[2]) for name in names] == list(range(1, len(names) + 1))
    assert len(names) <= 3 < number
    assert fed.stored < fed.next <= HELD_BYTES_MAX * 1.1


def test_journals_that_hold_something_share_what_memory_may_hold(fed: Fed) -> None:
    """One that is idle takes no share."""
    other, idle = "22222222-2222-4333-8444-555555555555", "33333333-2222-4333-8444-555555555555"
    fed.store.apply(other, 0, [started(1) + request(1)])
    fed.store.apply(idle, 0, [])
    block = b"x" * (HELD_BYTES_MAX // 200)
    number = 2
    while not fed.send(started(number) + request(number, block)):
        number += 1
    assert HELD_BYTES_MAX * 0.4 <= fed.next <= HELD_BYTES_MAX * 0.6


def test_a_journal_that_ends_leaves_nothing_open(fed: Fed) -> None:
    fed.send(started(1) + request(1))
    fed.send(closed(), 0.1)
    assert fed.stored == fed.next


def test_a_crash_behind_the_end_of_a_long_exchange_cuts_nothing_off(fed: Fed) -> None:
    """What is stored may lie behind bytes that came just before the exchange's end."""
    fed.send(started(1) + request(1))
    fed.send(started(2) + request(2), FLUSH_S + 0.1)
    last_from = fed.next
    fed.send(response(1), 0.1)
    fed.send(started(3), 0.1)
    fed.send(started(4) + finished(1), FLUSH_S - 0.15)
    assert last_from < fed.stored < fed.next
    complete = recordings(fed.folder)
    fed.store = Store(IngestSettings(log_dir=fed.folder))
    fed.next = fed.stored
    fed.send(started(3) + started(4) + finished(1))
    assert recordings(fed.folder) == complete
    assert described(fed.folder, 1)["completed"]
