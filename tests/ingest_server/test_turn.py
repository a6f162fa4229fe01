"""The writer offers the processor between small pieces of work, at the beginning of a batch that gives way."""

from ingest_server.turn import OFFERS_S, TURN_S, Turn


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
