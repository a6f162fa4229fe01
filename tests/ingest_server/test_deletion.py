"""A recording goes as a whole: whatever moment a crash chooses, nothing that is left looks damaged."""

import os
from pathlib import Path
from typing import Literal

import pytest

from ingest_server import deletion
from replay.verify import verify
from tests.ingest_server.recorder_side import recordings, whole
from tests.replay.test_verify import STEM, record

LAYOUTS: list[Literal["flat", "daily"]] = ["flat", "daily"]


def root(folder: Path) -> str:
    return f"{folder}{os.sep}"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_three_files_go_and_no_others(tmp_path: Path, layout: Literal["flat", "daily"]) -> None:
    record(tmp_path, whole(1), whole(2), layout=layout)
    stem = STEM if layout == "flat" else f"2026-09-13/{STEM}"
    deletion.prepare_deletions(root(tmp_path))
    assert deletion.delete(root(tmp_path), stem) is True
    assert all("_00000002_" in name for name in recordings(tmp_path))
    assert len(recordings(tmp_path)) == 3
    assert list((tmp_path / ".ingest" / "deleting").iterdir()) == []
    assert deletion.delete(root(tmp_path), stem) is False


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_crash_at_any_system_call_leaves_no_damage_and_the_next_pass_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Literal["flat", "daily"], when: str, step: int
) -> None:
    record(tmp_path, whole(1), whole(2), layout=layout)
    deletion.prepare_deletions(root(tmp_path))
    stem = STEM if layout == "flat" else f"2026-09-13/{STEM}"
    _fail_at(monkeypatch, step, when)
    with pytest.raises(InterruptedError):
        deletion.delete(root(tmp_path), stem)
    monkeypatch.undo()
    report = verify(tmp_path)
    assert report.faults == ()
    survives = (step, when) == (1, "before")
    assert report.complete == 1 + survives
    deletion.finish_deletions(root(tmp_path))
    assert verify(tmp_path).faults == ()
    assert len(recordings(tmp_path)) == 3 + 3 * survives
    assert list((tmp_path / ".ingest" / "deleting").iterdir()) == []


def _fail_at(monkeypatch: pytest.MonkeyPatch, step: int, when: str) -> None:
    """The process ends before or after that call which changes the disk."""
    left = [step]

    def watch(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object) -> None:
            left[0] -= 1
            if left[0] == 0 and when == "before":
                raise InterruptedError
            real(*arguments)
            if left[0] == 0:
                raise InterruptedError

        monkeypatch.setattr(os, name, call)

    watch("replace")
    watch("unlink")


def test_what_was_recorded_anew_meanwhile_is_not_touched(tmp_path: Path) -> None:
    """A crash in the middle of a deletion, and a journal that sends the same exchange again."""
    record(tmp_path, whole(1))
    deletion.prepare_deletions(root(tmp_path))
    (tmp_path / ".ingest" / "deleting" / f"{STEM}_metadata.json").write_bytes(b"")
    deletion.finish_deletions(root(tmp_path))
    assert verify(tmp_path).complete == 1
    assert list((tmp_path / ".ingest" / "deleting").iterdir()) == []


def test_empty_folders_of_days_before_go(tmp_path: Path) -> None:
    for name in ("2026-09-11", "2026-09-12", "2026-09-13", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "2026-09-11" / "x").touch()
    deletion.remove_empty_days(root(tmp_path), "2026-09-13")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-09-11", "2026-09-13", "other"]
