"""Times of an answer's pieces become the figures that people compare."""

import pytest

from traffic.llm.call import Chunk, Timing
from traffic.llm.timing import timing_of


def chunks(*times: float | None) -> list[Chunk]:
    return [Chunk(at, "text", "x") for at in times]


@pytest.mark.parametrize(
    ("pieces", "output_tokens", "expected"),
    [
        (chunks(), 10, Timing()),
        (chunks(None, None), 10, Timing()),
        (chunks(250.5), 10, Timing(250.5)),
        (chunks(100, 100), 10, Timing(100, None, 0, 0, 0)),
        (chunks(100, 1100), None, Timing(100, None, 1000, 1000, 1000)),
        (chunks(100, 200, 400, 1100), 10, Timing(100, 10.0, 200, 700, 700)),
        (chunks(None, 100, None, 1100), 5, Timing(100, 5.0, 1000, 1000, 1000)),
        (chunks(*range(1001)), 500, Timing(0, 500.0, 1, 1, 1)),
        (chunks(*range(990), *range(1000, 1010)), 100, Timing(0, 99.108, 1, 1, 11)),
        (chunks(*range(97), 200, 300, 400, 500), 0, Timing(0, 0.0, 1, 100, 104)),
        (chunks(0.0001, 0.3001), 3, Timing(0.0001, 10_000.0, 0.3, 0.3, 0.3)),
    ],
)
def test_figures_of_times(pieces: list[Chunk], output_tokens: int | None, expected: Timing) -> None:
    assert timing_of(pieces, output_tokens) == expected
