"""docs/security.md: every point names tests that exist, and settings and lists that are in the code."""

import re
from pathlib import Path

import pytest

from commands.config_schema import Config

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/security.md").read_text("utf-8")
POINTS = re.findall(r"^### \d\. .*?(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)


def test_all_nine_points_are_there() -> None:
    assert [int(point[4]) for point in POINTS] == list(range(1, 10))


@pytest.mark.parametrize("point", POINTS, ids=[point[4] for point in POINTS])
def test_a_point_names_its_tests_and_they_exist(point: str) -> None:
    tests = re.findall(r"`(tests/[\w/.]+)`", point.rpartition("Tests:")[2])
    assert tests
    assert [test for test in tests if not (ROOT / test).is_file()] == []


def test_every_setting_that_it_names_exists() -> None:
    sections = set(Config.model_fields)
    for name in re.findall(r"`([a-z_]+\.[a-z_.]+)`", TEXT):
        first, *rest = name.split(".")
        model = Config()
        assert first in sections, name
        section: object = getattr(model, first)
        for part in rest:
            assert hasattr(section, part), name
            section = getattr(section, part)
