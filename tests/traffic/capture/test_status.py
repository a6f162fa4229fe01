"""traffic/capture/status.py: what a recorder tells fits into a header, whatever went wrong."""

import pytest

from traffic.capture.status import Dropped, RecorderStatus, decode, encode, short

STATUS = RecorderStatus(
    "host:5601",
    42,
    "0.1.0",
    "2026-09-13T02:11:09.123456Z",
    "11111111-2222-4333-8444-555555555555",
    begun=7,
    finished=5,
    dropped={"queue_full": Dropped(1, 2, 3)},
    waiting_bytes=9,
    oldest_waiting_s=1.5,
    problem="full",
)


def test_a_status_comes_as_it_went() -> None:
    assert decode(encode(STATUS).decode("ascii")) == STATUS
    assert STATUS.in_flight == 2


def test_the_header_is_short_ascii_without_line_ends() -> None:
    value = encode(RecorderStatus("h\u00f6st:1\r\n", 1, "", "", "", problem="\u2026\r\n" * 5000))
    assert len(value) < 2000
    assert value.isascii()
    assert b"\n" not in value


@pytest.mark.parametrize("value", ["", "{}", "[1]", "null", '{"name":1}', "\udcff", '{"name":"a","pid":' + "9" * 5000])
def test_what_is_no_status_is_none(value: str) -> None:
    assert decode(value) is None


def test_short_keeps_the_beginning() -> None:
    assert (short("x" * 300), short("x" * 301)) == ("x" * 300, "x" * 297 + "...")
