"""The writer offers the processor between small pieces of work, unless it is behind."""

from ingest_server.turn import BEHIND_BYTES, TURN_S, Turn


class Times:
    """A clock that is set, and the moments at which the processor was offered."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.offered: list[float] = []

    def turn(self) -> Turn:
        return Turn(lambda: self.now_s, lambda: self.offered.append(self.now_s))


def test_the_processor_is_offered_once_a_turn() -> None:
    times = Times()
    turn = times.turn()
    turn.begin(1)
    for moment_s in (100.0, 100.0 + TURN_S / 2, 100.0 + TURN_S, 100.0 + TURN_S * 1.5):
        times.now_s = moment_s
        turn.offer()
    assert times.offered == [100.0, 100.0 + TURN_S]


def test_a_large_piece_is_worked_off_without_an_offer_and_the_next_small_one_with() -> None:
    times = Times()
    turn = times.turn()
    turn.begin(BEHIND_BYTES)
    turn.offer()
    assert times.offered == []
    turn.begin(BEHIND_BYTES - 1)
    turn.offer()
    assert times.offered == [100.0]


def test_a_system_that_cannot_yield_is_never_asked_to() -> None:
    turn = Turn(give_way=None)
    turn.begin(1)
    turn.offer()
