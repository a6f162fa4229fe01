"""docs/reliability.md: every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "reliability.md").read_text("utf-8"))))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_promises_name_exists(path: str, name: str) -> None:
    module = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_promise_names_a_test() -> None:
    rows = [line for line in (ROOT / "docs" / "reliability.md").read_text("utf-8").splitlines() if line.count("|") == 5]
    promises = [row for row in rows if not row.startswith(("| fault |", "|---"))]
    assert len(promises) > 20
    assert [row for row in promises if "`tests/" not in row.rpartition("|")[0].rpartition("|")[2]] == []
