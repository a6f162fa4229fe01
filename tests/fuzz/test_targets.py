"""The fuzz targets hold for their seeds and for everything that fuzzing found once."""

import pytest

from tests.fuzz.found import FOUND
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_for_its_seeds_and_for_each_of_them_cut(target: str) -> None:
    for seed in SEEDS[target]:
        for data in (seed, seed[: len(seed) // 2], seed[:-1], seed[:1] + seed[2:]):
            TARGETS[target](data)


@pytest.mark.parametrize(("target", "data", "problem"), FOUND)
def test_what_fuzzing_found_stays_mended(target: str, data: bytes, problem: str) -> None:
    assert problem, "each case says what was wrong"
    TARGETS[target](data)
