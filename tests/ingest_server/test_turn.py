"""The writer offers the processor between small pieces of work, at the beginning of a batch that gives way."""

from pathlib import Path

from ingest_server.journal import OFFER_BYTES, OFFER_FRAMES
from ingest_server.settings import IngestSettings
from ingest_server.store import Store
from ingest_server.turn import OFFERS_S, TURN_S, Turn
from tests.ingest_server.recorder_side import JOURNAL, finished, request, started


class Times:
    """A clock that is set, and the moments at which the processor was offered."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.offered: list[float] = []

    def turn(self) -> Turn:
        return Turn(lambda: self.now_s, lambda: self.offered.append(self.now_s))

    def offer_at(self, turn: Turn, *moments_s: float) -> list[float]:
        for moment_s in moments_s:
            self.now_s = moment_s
            turn.offer()
        return self.offered


def test_the_processor_is_offered_once_a_turn() -> None:
    times = Times()
    turn = times.turn()
    turn.begin(offers=True)
    moments_s = [100.0 + TURN_S * number / 2 for number in range(6)]
    assert times.offer_at(turn, *moments_s) == [moments_s[2], moments_s[4]]


def test_a_batch_that_takes_long_goes_on_without_and_the_next_one_offers_again() -> None:
    times = Times()
    turn = times.turn()
    turn.begin(offers=True)
    assert times.offer_at(turn, 100.0 + OFFERS_S, 101.0 + OFFERS_S) == []
    turn.begin(offers=True)
    later_s = times.now_s + OFFERS_S / 2
    assert times.offer_at(turn, later_s) == [later_s]


def test_a_batch_that_gives_way_to_nobody_offers_nothing() -> None:
    times = Times()
    turn = times.turn()
    turn.begin(offers=False)
    assert times.offer_at(turn, 100.0, 100.0 + TURN_S, 101.0) == []


def test_a_system_that_cannot_yield_is_never_asked_to() -> None:
    times = Times()
    turn = Turn(lambda: times.now_s, give_way=None)
    turn.begin(offers=True)
    times.now_s += TURN_S
    turn.offer()


class Counted(Turn):
    """Counts the moments between two pieces of work."""

    def __init__(self) -> None:
        super().__init__()
        self.offers = 0

    def offer(self) -> None:
        self.offers += 1


def offers_in(folder: Path, frames: list[bytes], *, lost: int = 0) -> int:
    """While a journal takes them in; it begins at `lost`."""
    store = Store(IngestSettings(log_dir=folder))
    store.turn = turn = Counted()
    store.apply(JOURNAL, lost, [b"".join(frames)], lost)
    return turn.offers


def test_frames_are_taken_in_so_many_at_a_time_however_small_they_are(tmp_path: Path) -> None:
    frames = [started(1), *(request(1, b"x", offset) for offset in range(10 * OFFER_FRAMES - 1))]
    assert offers_in(tmp_path, frames) == 10
    assert offers_in(tmp_path / "fewer", frames[:-1]) == 9


def test_large_frames_are_taken_in_one_at_a_time(tmp_path: Path) -> None:
    frames = [request(1, bytes(OFFER_BYTES), place * OFFER_BYTES) for place in range(5)]
    assert offers_in(tmp_path, [started(1), *frames]) == 5


def test_each_count_of_what_nobody_explains_is_a_piece_of_its_own(tmp_path: Path) -> None:
    """It goes through all open exchanges."""
    numbers = range(2, 20, 2)
    assert len(numbers) < OFFER_FRAMES
    assert offers_in(tmp_path / "ends", [finished(number) for number in numbers]) == len(numbers)
    assert offers_in(tmp_path / "starts", [started(number) for number in numbers], lost=500) == len(numbers)
    assert offers_in(tmp_path / "usual", [started(number) for number in numbers]) == 0
