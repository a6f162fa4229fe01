"""recorder/capture/journal.py: what was appended comes back whole, and a torn tail never does."""

import os
import re
import time
import uuid
from pathlib import Path

import pytest

from recorder.capture import journal as journal_module
from recorder.capture.journal import Journal, JournalFolder, JournalLockedError
from traffic.capture.events import Gap, decode_gap
from traffic.capture.frames import FrameDecoder, Kind, encode_frame

POSIX = pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")


def frame(number: int, size: int = 10, kind: int = Kind.REQUEST) -> bytes:
    return b"".join(encode_frame(kind, number, 0, 0, [b"x" * size]))


def read_all(journal: Journal, offset: int = 0) -> bytes:
    """As the shipper reads: segment after segment."""
    found = b""
    while offset + len(found) < journal.end:
        file, position, count = journal.open_at(offset + len(found))
        with file:
            file.seek(position)
            found += file.read(count)
    return found


def closing_reason(journal: Journal) -> str:
    *_, last = FrameDecoder().feed(read_all(journal))
    assert last.kind == Kind.CLOSED
    return bytes(last.payload).decode()


def names(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.seg"))


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.mkdir()
    return path


def test_appended_frames_come_back_from_any_offset(folder: Path) -> None:
    journal = Journal(folder)
    data = b"".join(frame(number, number) for number in range(50))
    for number in range(50):
        journal.append(encode_frame(Kind.REQUEST, number, 0, 0, [b"x" * number]))
    assert (journal.end, journal.oldest, journal.bytes_on_disk) == (len(data), 0, len(data))
    for offset in range(0, len(data), 77):
        assert read_all(journal, offset) == data[offset:]
    journal.close("shutdown")


def test_one_append_takes_more_buffers_than_the_system_writes_at_once(folder: Path) -> None:
    journal = Journal(folder)
    journal.append([b"%04d" % number for number in range(3000)])
    assert read_all(journal) == b"".join(b"%04d" % number for number in range(3000))
    journal.close("shutdown")


@pytest.mark.usefixtures("small_segments")
def test_segments_are_named_by_their_offset_and_hold_whole_frames(folder: Path) -> None:
    journal = Journal(folder)
    for number in range(10):
        journal.append([frame(number, 30)])  # 63 bytes each: two to a segment
    assert names(folder) == [0, 126, 252, 378, 504]
    assert read_all(journal, 100) == b"".join(frame(number, 30) for number in range(10))[100:]
    file, position, count = journal.open_at(130)
    with file:
        assert (file.name, position, count) == (str(folder / f"{126:020d}.seg"), 4, 122)
    journal.close("shutdown")


@pytest.mark.usefixtures("small_segments")
def test_whole_acknowledged_segments_are_deleted_and_never_the_last(folder: Path) -> None:
    journal = Journal(folder)
    for number in range(6):
        journal.append([frame(number, 30)])
    for below, left in [(0, [0, 126, 252]), (125, [0, 126, 252]), (126, [126, 252]), (300, [252]), (9999, [252])]:
        journal.delete_below(below)
        assert names(folder) == left
        assert (journal.oldest, journal.bytes_on_disk) == (left[0], journal.end - left[0])
    assert journal.unstored_bytes == 0
    journal.close("shutdown")
    journal.delete()
    assert not folder.exists()


def test_every_torn_tail_is_cut_behind_its_last_whole_frame_and_counted_in_a_gap(folder: Path) -> None:
    whole = [frame(1, 5), frame(2, 0), frame(3, 40)]
    data, ends = b"".join(whole), [0, 38, 71, 144]
    path = folder / f"{0:020d}.seg"
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        journal = Journal(folder)
        journal.recover()
        expected = max(end for end in ends if end <= cut)
        assert (journal.end, path.stat().st_size, journal.is_closed) == (expected, expected, False)
        journal.close("recorder_crash")
        assert read_all(journal)[:expected] == data[:expected]
        assert closing_reason(journal) == "recorder_crash"
        gaps = [frame.payload for frame in FrameDecoder().feed(read_all(journal)) if frame.kind == Kind.GAP]
        torn = [Gap(0, 0, 0, cut - expected, "journal_torn")] if cut > expected else []
        assert [decode_gap(payload) for payload in gaps] == torn
        for left in folder.glob("*.seg"):
            left.unlink()


def test_a_flipped_byte_costs_its_frame_alone(folder: Path) -> None:
    """The frames behind a damaged one are found, though its length be damaged; it stays, to be skipped over."""
    data = frame(1, 5) + frame(2, 20) + frame(3) + frame(4)
    path = folder / f"{0:020d}.seg"
    for place in range(38, 91):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        journal = Journal(folder)
        journal.recover()
        assert journal.end == path.stat().st_size == len(data)
        assert journal.behind_damage(38) == 91


def test_a_flipped_byte_in_the_last_frame_cuts_it_off(folder: Path) -> None:
    data = frame(1, 5) + frame(2, 20)
    path = folder / f"{0:020d}.seg"
    for place in range(38, len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        journal = Journal(folder)
        journal.recover()
        assert journal.end == path.stat().st_size == 38


def test_stored_bytes_make_room_although_their_segment_is_still_written(folder: Path) -> None:
    journal = Journal(folder)
    journal.append([frame(1), frame(2)])
    journal.delete_below(43)
    assert (journal.unstored_bytes, journal.bytes_on_disk) == (43, 86)
    journal.append([frame(3)])
    assert journal.unstored_bytes == 86
    journal.delete_below(129)
    assert (journal.unstored_bytes, journal.bytes_on_disk) == (0, 129)
    journal.close("shutdown")


@pytest.mark.usefixtures("small_segments")
def test_recovery_looks_at_the_last_segment_alone(folder: Path) -> None:
    """A frame never lies across two segments, so that the others need not be read."""
    journal = Journal(folder)
    for number in range(3):
        journal.append([frame(number, 30)])
    journal.close("shutdown")
    (folder / f"{0:020d}.seg").write_bytes(b"?" * 126)
    again = Journal(folder)
    again.recover()
    assert (again.is_closed, again.end) == (True, journal.end)


def test_a_closed_journal_stays_closed_and_says_why(folder: Path) -> None:
    journal = Journal(folder)
    journal.append([frame(1)])
    journal.close("shutdown")
    journal.close("recorder_crash")
    assert closing_reason(journal) == "shutdown"
    again = Journal(folder)
    again.recover()
    again.close("recorder_crash")
    assert (again.is_closed, again.end, closing_reason(again)) == (True, journal.end, "shutdown")


def test_a_journal_that_never_held_a_byte_can_be_closed(folder: Path) -> None:
    journal = Journal(folder)
    journal.recover()
    journal.close("recorder_crash")
    assert closing_reason(journal) == "recorder_crash"


def test_a_journal_is_closed_where_the_server_stands_when_it_lost_its_tail(folder: Path) -> None:
    """The server has 500 bytes and this side 43: the closing frame follows the server's; what lies between is gone."""
    path = folder / f"{0:020d}.seg"
    path.write_bytes(frame(1))
    journal = Journal(folder)
    journal.recover()
    journal.close("recorder_crash", at=500)
    assert journal.end > 500
    assert [frame.kind for frame in FrameDecoder().feed(read_all(journal, 500))] == [Kind.CLOSED]


def test_a_failed_append_leaves_nothing_behind(folder: Path) -> None:
    """It may be called again, and the bytes of the failed try are written over."""
    journal = Journal(folder)
    journal.append([frame(1)])
    assert journal._file is not None
    os.write(journal._file.fileno(), frame(2, 500)[:300])  # as a write that a full disk cut short
    assert journal.end == 43
    journal.append([frame(3)])
    assert read_all(journal) == frame(1) + frame(3)
    journal.close("shutdown")
    again = Journal(folder)
    again.recover()
    assert read_all(again)[:86] == frame(1) + frame(3)


def test_a_waiting_reader_is_told_how_many_bytes_there_are(folder: Path) -> None:
    journal = Journal(folder)
    assert journal.wait_beyond(0, 0.0) == 0
    journal.append([frame(1)])
    assert (journal.wait_beyond(0, 9.0), journal.wait_beyond(3, 9.0), journal.wait_beyond(43, 0.0)) == (43, 40, 0)
    journal.close("shutdown")


def test_a_folder_belongs_to_one_recorder(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "journals"
    first = JournalFolder(root)
    message = f"{root} is in use by another recorder: stop that one, or set another capture.journal_dir"
    with pytest.raises(JournalLockedError, match=f"^{re.escape(message)}$"):
        JournalFolder(root)
    first.close()
    JournalFolder(root).close()


def test_journals_left_behind_come_oldest_first_without_the_live_one(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path)
    made = [folder.new() for _ in range(4)]
    for age, journal in enumerate(made[:3]):
        os.utime(tmp_path / journal.id, ns=(0, 10**18 - age))
    assert [journal.id for journal in folder.left_behind(made[3])] == [made[2].id, made[1].id, made[0].id]
    folder.close()


@POSIX
def test_journals_are_for_the_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "journals"
    folder = JournalFolder(root)
    journal = folder.new()
    journal.append([frame(1)])
    modes = [path.stat().st_mode & 0o777 for path in (root, root / journal.id, *(root / journal.id).iterdir())]
    assert modes == [0o700, 0o700, 0o600]
    journal.close("shutdown")
    folder.close()


def test_the_age_of_the_oldest_byte_that_is_not_stored_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To about a second, whatever the number of bytes; of a journal left behind as well."""
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    folder = tmp_path / str(uuid.uuid4())
    folder.mkdir()
    journal = Journal(folder)
    assert journal.oldest_unstored_s is None
    ends = []
    for _ in range(3000):
        journal.append(encode_frame(Kind.REQUEST, 1, 0, 0, [b"x"]))
        ends.append(journal.end)
        now_s += 1.0
    assert journal.oldest_unstored_s == 3000
    journal.delete_below(ends[2000])
    assert journal.oldest_unstored_s == pytest.approx(999, abs=8)
    assert len(journal._marks) <= journal_module.MARKS_MAX
    journal.delete_below(ends[-2])
    assert journal.oldest_unstored_s == pytest.approx(1, abs=8)
    journal.delete_below(ends[-1])
    assert journal.oldest_unstored_s is None
    journal.close("shutdown")
    (path,) = folder.iterdir()
    os.utime(path, (0, 0))
    age_s = Journal(folder).oldest_unstored_s
    assert age_s is not None
    assert age_s == pytest.approx(time.time(), rel=0.01)


@pytest.mark.usefixtures("small_segments")
def test_files_of_full_segments_are_closed_where_nobody_syncs_any_more(folder: Path) -> None:
    journal = Journal(folder)
    journal.keeps_unsynced = True
    for number in range(5):
        journal.append([frame(number, 30)])
    kept = list(journal._unsynced)
    assert [file.closed for file in kept] == [False, False]
    journal.keeps_unsynced = False
    for number in range(5, 8):
        journal.append([frame(number, 30)])
    assert [file.closed for file in kept] == [True, True]
    assert journal._unsynced == []
    journal.close("shutdown")


@pytest.mark.usefixtures("small_segments")
def test_a_sync_reaches_the_segments_that_are_full_already(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().stem)
    )
    journal = Journal(folder)
    journal.keeps_unsynced = True
    for number in range(5):
        journal.append([frame(number, 30)])  # 63 bytes each: two to a segment
    journal.sync()
    assert synced == [f"{start:020d}" for start in (0, 126, 252)]
    journal.sync()
    assert synced[3:] == [f"{252:020d}"]
    journal.close("shutdown")
