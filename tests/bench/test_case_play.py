"""The streams that the play-back benchmark times: a read for the head, and one for each event."""

import random

from bench.case_play import arrivals
from bench.made import make
from bench.made_files import files_of


def test_each_event_of_a_stream_arrives_in_a_read_of_its_own() -> None:
    response = files_of(next(each for each in make(10) if each.status == 200), 5).response
    found = list(arrivals(response, random.Random(1)))
    offsets = [offset for offset, _ in found]
    reads = [response[start:end] for start, end in zip(offsets, [*offsets[1:], len(response)], strict=True)]
    assert reads[0].endswith(b"\r\n\r\n")
    assert [read.count(b"data: ") for read in reads] == [0, *[1] * (5 + 3)]
    assert [at_ms for _, at_ms in found] == sorted(at_ms for _, at_ms in found)
