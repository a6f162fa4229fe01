"""Files of any content are read or refused in words: no reader fails otherwise, whatever was done to them."""

import contextlib
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.exchange_check import problem_with
from tests.traffic.export.made import chat, export
from tests.traffic.export.stored import VARIED
from traffic.capture.redact import Redactor
from traffic.capture.redact_exchange import redact_exchange
from traffic.export.foreign import FormatError
from traffic.export.formats import FORMATS

RECORDED = (*VARIED[:3], chat(9, "Hi", "Ho"))
FILES = {
    "warc": export("warc", *RECORDED)[0],
    "warc, packed": gzip.compress(export("warc", *RECORDED)[0]),
    "bundle": export("bundle", *RECORDED)[0],
    "har": export("har", *RECORDED)[0],
}
REDACTOR = Redactor(b"key")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut, with pieces replaced, doubled and taken out."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        data[start:end] = draw(st.one_of(st.binary(max_size=8), st.just(bytes(data[start:end]) * 2)))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=40)
@given(draws=st.data())
def test_a_damaged_file_is_read_as_far_as_it_goes_or_refused(name: str, draws: st.DataObject) -> None:
    data = draws.draw(damaged(FILES[name]))
    with contextlib.suppress(FormatError):
        for exchange in FORMATS[name.partition(",")[0]].reader()(io.BytesIO(data), lambda _problem: None):
            problem_with(exchange)
            redact_exchange(exchange, REDACTOR)
