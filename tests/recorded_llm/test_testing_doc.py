"""docs/testing.md: its tests record at their first run, and need neither a provider nor a key at the next."""

import importlib
import re
from pathlib import Path

import pytest

from tests.recorded_llm.conftest import RunTests, Upstream, recorded_files

DOCUMENT = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_documents_tests_record_once_and_then_run_offline(
    pytester: pytest.Pytester, run_tests: RunTests, upstream: Upstream
) -> None:
    for name in ("openai", "anthropic"):
        importlib.import_module(name)  # else each run of pytest would do it again
    examples = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert [name for name, _ in examples] == ["test_openai.py", "test_anthropic.py"]
    for name, text in examples:
        (pytester.path / name).write_text(text, "utf-8")
    run_tests().assert_outcomes(passed=2)
    assert len(upstream.asked) == 2
    assert upstream.keys == {"sk-very-secret"}
    files = recorded_files(pytester.path / "recordings")
    assert [file.parent.name for file in files] == ["capital"] * 3 + ["capital-streamed"] * 3
    assert all(b"sk-very-secret" not in file.read_bytes() for file in files)
    run_tests(key=None).assert_outcomes(passed=2)
    assert len(upstream.asked) == 2
    assert recorded_files(pytester.path / "recordings") == files
