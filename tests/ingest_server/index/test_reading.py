"""An exchange is read from its files, whatever somebody has made of them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_server.index.reading import read_one
from tests.ingest_server.index.exchanges import DECODED_BY, chat, entry, plain, stem_of
from tests.traffic.llm.example import DECODER
from traffic.capture import metadata, names
from traffic.capture.exchange import RecordedExchange

STEM = stem_of(plain(1).metadata)


@pytest.fixture
def root(tmp_path: Path) -> str:
    """With one exchange in it."""
    _write(tmp_path, chat(1, ["Hi"], "Hello"))
    return f"{tmp_path}{os.sep}"


def _write(folder: Path, exchange: RecordedExchange) -> None:
    (folder / f"{STEM}{names.REQUEST}").write_bytes(exchange.request)
    (folder / f"{STEM}{names.RESPONSE}").write_bytes(exchange.response)
    (folder / f"{STEM}{names.METADATA}").write_bytes(metadata.encode(exchange.metadata))


def test_an_exchange_is_what_its_files_say(root: str) -> None:
    read = read_one(root, STEM, DECODER)
    assert read is not None
    assert read.decoded is not None
    assert read.entry.row._replace(decoder=DECODED_BY) == entry(chat(1, ["Hi"], "Hello")).row
    assert read.entry.row.decoder == DECODER.fingerprint


def test_one_that_is_not_there_is_none_and_no_fault(root: str, caplog: pytest.LogCaptureFixture) -> None:
    assert read_one(root, stem_of(plain(2).metadata), DECODER) is None
    assert caplog.messages == []


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("part", [names.REQUEST, names.RESPONSE, names.METADATA])
@pytest.mark.parametrize(
    ("change", "why"),
    [(_link, os.strerror(40)), (_folder, "is no regular file"), (_pipe, "is no regular file")],
)
def test_what_is_no_regular_file_is_not_read(
    root: str, part: str, change: Callable[[Path], None], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    change(Path(f"{root}{STEM}{part}"))
    assert read_one(root, STEM, DECODER) is None
    assert caplog.messages == [f"{STEM} cannot be indexed: {STEM}{part}: {why}"]


@pytest.mark.parametrize("part", [names.REQUEST, names.RESPONSE])
def test_one_that_lacks_a_file_is_named(root: str, part: str, caplog: pytest.LogCaptureFixture) -> None:
    Path(f"{root}{STEM}{part}").unlink()
    assert read_one(root, STEM, DECODER) is None
    assert caplog.messages == [f"{STEM} cannot be indexed: {STEM}{part}: No such file or directory"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Input data was truncated"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
        (b'{"schema": 2}', "Invalid enum value 2 - at `$.schema`"),
    ],
)
def test_metadata_that_is_none_is_named(root: str, content: bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    Path(f"{root}{STEM}{names.METADATA}").write_bytes(content)
    assert read_one(root, STEM, DECODER) is None
    assert caplog.messages == [f"{STEM} cannot be indexed: {why}"]


def test_where_no_more_files_may_be_open_the_exchange_is_not_to_blame(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: str, _flags: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        read_one(root, STEM, DECODER)
