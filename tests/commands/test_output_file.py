"""commands/output_file.py: a file is there whole or not at all."""

import errno
import os
import stat
import threading
from pathlib import Path

import click
import pytest

from commands.output_file import output_file


def write(out: Path, *pieces: bytes, needs_a_file: bool = False) -> None:
    with output_file(out, needs_a_file=needs_a_file) as file:
        for piece in pieces:
            file.write(piece)


def test_a_new_file_is_for_its_owner_alone_and_one_that_was_there_stays_for_whom_it_was(tmp_path: Path) -> None:
    out = tmp_path / "a"
    write(out, b"one")
    assert (out.read_bytes(), stat.S_IMODE(out.stat().st_mode)) == (b"one", 0o600)
    out.chmod(0o644)
    write(out, b"two")
    assert (out.read_bytes(), stat.S_IMODE(out.stat().st_mode)) == (b"two", 0o644)
    assert list(tmp_path.iterdir()) == [out]


def write_half(out: Path, error: BaseException) -> None:
    with output_file(out, needs_a_file=False) as file:
        file.write(b"half")
        (Path(file.name).parent / "beside").touch()
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), ValueError("x")])
def test_whatever_ends_the_writing_leaves_what_was_there(error: BaseException, tmp_path: Path) -> None:
    out = tmp_path / "a"
    out.write_bytes(b"before")
    with pytest.raises(type(error)):
        write_half(out, error)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a", b"before")]


def test_a_full_disk_is_told_with_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException) as caught, output_file(tmp_path / "a", needs_a_file=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.message == f"{tmp_path}/a cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "target").write_bytes(b"before")
    (tmp_path / "link").symlink_to("folder/target")
    write(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "target").read_bytes() == b"after"


@pytest.mark.parametrize("needs_a_file", [False, True])
def test_a_pipe_with_a_name_is_written_into_and_stays(needs_a_file: bool, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write(pipe, b"one ", b"two", needs_a_file=needs_a_file)
    reader.join()
    assert (read, pipe.is_fifo()) == ([b"one two"], True)
    assert list(tmp_path.iterdir()) == [pipe]


def test_what_needs_a_file_may_read_and_cut_it(tmp_path: Path) -> None:
    with output_file(tmp_path / "a", needs_a_file=True) as file:
        file.write(b"one two")
        file.seek(4)
        end = file.read()
        file.seek(0)
        file.write(end)
        file.truncate()
    assert (tmp_path / "a").read_bytes() == b"two"
