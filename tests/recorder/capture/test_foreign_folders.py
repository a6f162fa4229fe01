"""recorder/capture/journal.py: what else lies in journal_dir is not taken for a journal, and never shipped."""

from pathlib import Path

from recorder.capture.journal import JournalFolder


def test_only_folders_named_by_a_uuid_are_journals(tmp_path: Path) -> None:
    """A volume's lost+found, say: the ingest server would refuse it for ever, and all else would wait behind it."""
    folder = JournalFolder(tmp_path)
    (tmp_path / "lost+found").mkdir()
    earlier, live = folder.new(), folder.new()
    assert [journal.id for journal in folder.left_behind(live)] == [earlier.id]
    folder.close()
