"""What leaves when a recording is played, piece by piece, and how it ends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.play.score import PIECE_BYTES_MAX, Ending, Score, score_of, with_line, with_value, without_continue
from tests.replay.play.made import cut, exchange, ok, request

ASKED = request({})
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nab"
OWN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno"


def score(answer: bytes, sent: bytes = ASKED, **facts: Any) -> Score:
    return score_of(exchange(sent, answer, **facts))


def played(score: Score) -> bytes:
    return b"".join(piece.data for piece in score.pieces)


@pytest.mark.parametrize(
    ("answer", "facts", "ending"),
    [
        (ok(), {}, Ending.GOES_ON),
        (CHUNKED, {}, Ending.GOES_ON),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok(), {}, Ending.GOES_ON),
        (ok(b"fine", b"Connection: close"), {}, Ending.CLOSES),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", {}, Ending.CLOSES),
        (UNTIL_CLOSE, {}, Ending.CLOSES),
        (UNTIL_CLOSE, cut(), Ending.RESETS),
        (CHUNKED[:-4], cut(), Ending.CLOSES),
        (ok()[:-1], cut("client_disconnect"), Ending.CLOSES),
        (OWN, {"answered_by": "recorder", **cut("upstream_refused")}, Ending.GOES_ON),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", {}, Ending.CLOSES),
    ],
)
def test_all_bytes_are_played_and_the_connection_ends_as_it_did(
    answer: bytes, facts: dict[str, Any], ending: Ending
) -> None:
    found = score(answer, **facts)
    assert (played(found), found.ending) == (answer, ending)


@pytest.mark.parametrize("offsets", [(0, 40, 20, 60), (0, 0, 7), (60, 0), (10**18, 3), (7,), ()])
def test_no_byte_is_lost_whatever_the_arrivals_say(offsets: tuple[int, ...]) -> None:
    answer = ok(b"0123456789" * 3)
    assert played(score(answer, arrivals=[(offset, 1.0) for offset in offsets])) == answer


def test_an_answer_to_head_has_no_body_to_wait_for() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert score(answer, request(b"", "/", "HEAD")).ending is Ending.GOES_ON
    assert score(answer, request(b"", "/", "GET"), **cut()).ending is Ending.CLOSES


def test_where_the_client_saw_the_recorders_own_answer_alone_that_is_played() -> None:
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"
    facts = {"answered_by": "recorder", "arrivals": ((0, 1.0), (len(broken), 2.0)), **cut("bad_response")}
    found = score(broken + OWN, **facts)
    assert (played(found), found.status, found.ending) == (OWN, 502, Ending.GOES_ON)


def test_pieces_are_the_recorded_reads_with_their_times() -> None:
    found = score(ok(b"abcdef"), arrivals=((0, 5.0), (38, 250.5), (41, 1000.0)), asked_at=((0, 0.0), (60, 3.5)))
    assert [(at_s, bytes(data)) for at_s, data in found.pieces] == [
        (0.005, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"[:38]),
        (0.2505, ok(b"abcdef")[38:41]),
        (1.0, ok(b"abcdef")[41:]),
    ]
    assert (found.asked_s, found.end_s) == (0.0035, 0.01)


def test_a_recording_without_times_is_one_piece_at_once() -> None:
    assert [piece.data for piece in score(ok(), arrivals=()).pieces] == [ok()]


def test_large_reads_leave_in_several_pieces() -> None:
    found = score(ok(b"x" * (2 * PIECE_BYTES_MAX)))
    assert [len(piece.data) for piece in found.pieces[:2]] == [PIECE_BYTES_MAX, PIECE_BYTES_MAX]
    assert played(found) == ok(b"x" * (2 * PIECE_BYTES_MAX))


@pytest.mark.parametrize("cuts", [(0,), (0, 10), (0, 36), (0, 37, 38, 39), tuple(range(42))])
def test_a_line_is_added_at_the_end_of_the_final_head_wherever_reads_ended(cuts: tuple[int, ...]) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    found = with_line(score(interim + ok(), arrivals=[(cut, 1.0) for cut in cuts]), b"X: y")
    assert played(found) == interim + ok(b"fine", b"X: y")
    assert len(found.pieces) == len(cuts)


def test_a_value_is_replaced_in_place() -> None:
    answer = b"HTTP/1.1 200 OK\r\nA: key\r\nKEY: key\r\nContent-Length: 3\r\n\r\nkey"
    found = with_value(score(answer, arrivals=((0, 1.0), (33, 2.0))), b"key", b"other")
    assert played(found) == answer.replace(b"KEY: key", b"KEY: other")


def test_a_first_100_continue_can_be_left_out_and_nothing_else() -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" + ok()
    assert played(without_continue(score(answer, arrivals=((0, 1.0), (7, 2.0), (30, 3.0))))) == ok()
    assert played(without_continue(score(ok()))) == ok()


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 90), st.floats(0, 1e9)), max_size=6), st.booleans())
def test_whatever_files_hold_their_bytes_are_played(
    body: bytes, arrivals: list[tuple[int, float]], is_cut: bool
) -> None:
    for answer in (body, ok(body), b"HTTP/1.1 200 OK\r\n\r\n" + body, CHUNKED[: len(body)] + body):
        found = score(answer, arrivals=arrivals, **(cut() if is_cut else {}))
        assert played(found) == answer
        assert played(with_line(found, b"X: y")).replace(b"\r\nX: y", b"", 1) == answer
