"""File names: the exchange's start in UTC and eight digits of its id."""

import pytest

from traffic.capture import names

ID = "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"
STARTED_NS = 1_789_265_469_123_456_789  # 2026-09-13 02:11:09.123456789 UTC


def test_a_stem_shows_start_and_first_eight_digits() -> None:
    assert names.stem(STARTED_NS, names.short_id(ID)) + names.REQUEST == "2026-09-13_02-11-09.123_092d0424_request.bin"


def test_the_day_and_the_iso_form_are_utc() -> None:
    assert names.day(STARTED_NS) == "2026-09-13"
    assert names.iso(STARTED_NS) == "2026-09-13T02:11:09.123456Z"
    assert names.iso(0) == "1970-01-01T00:00:00.000000Z"
    assert names.iso(2**64 - 1) == "2554-07-21T23:34:33.709551Z"


def test_other_digits_are_eight_of_the_same_id_and_never_the_first() -> None:
    others = list(names.other_digits(ID))
    assert others[:3] == ["1b2c4d3e", "8f405a6b", "7c8d9e0f"]
    assert all(len(digits) == 8 and digits in ID.replace("-", "") for digits in others)
    assert names.short_id(ID) not in others


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ID, True),
        (ID.upper(), False),
        (ID.replace("-", ""), False),
        (ID + "\n", False),
        ("../" + ID[3:], False),
        ("", False),
    ],
)
def test_only_the_canonical_form_is_a_uuid(text: str, expected: bool) -> None:
    assert names.is_uuid(text) is expected


def test_a_files_name_is_split_into_the_stem_and_its_part() -> None:
    stem = "2026-09-13_02-11-09.123_092d0424"
    for part in names.PARTS:
        assert names.split(stem + part) == (stem, part)
    for other in ("", stem, f"{stem}_request.bin.tmp", f"x{stem}_request.bin", f"{stem}_request.bin\n", "gaps.ndjson"):
        assert names.split(other) is None
    assert names.is_day("2026-09-13")
    assert not names.is_day("2026-09-13 ")
