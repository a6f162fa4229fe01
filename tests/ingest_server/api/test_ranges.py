"""Which bytes a Range header asks for."""

import pytest

from ingest_server.api.ranges import UnsatisfiableError, range_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=0-9", range(10)),
        ("bytes=0-99", range(10)),
        ("bytes=3-", range(3, 10)),
        ("bytes=9-", range(9, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("BYTES= 2-4 ", range(2, 5)),
    ],
)
def test_one_range_is_given_as_far_as_there_are_bytes(header: str, expected: range) -> None:
    assert range_of(header, 10) == expected


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "bytes=٣-", "0-1"]
)
def test_what_is_no_single_range_of_bytes_is_passed_over(header: str | None) -> None:
    assert range_of(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_behind_the_end_is_told(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableError) as raised:
        range_of(header, size)
    assert str(raised.value) == f"there are {size} bytes"
