"""traffic/export/bundle.py: recordings come out of a bundle byte for byte, and out of a hostile one not at all."""

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from replay.verify import verify
from tests.traffic.export.made import chat, export, id_of
from tests.traffic.export.stored import CHUNKED, REQUEST, VARIED, exchanges, stored
from tests.traffic.llm.example import DECODER
from traffic.capture.exchange import RecordedExchange
from traffic.export import bundle
from traffic.export.foreign import FormatError

STEM = "2026-09-13_02-11-10.123_00000001"


def written(*recorded: RecordedExchange) -> bytes:
    return export("bundle", *recorded)[0]


def read(data: bytes) -> list[RecordedExchange]:
    return list(bundle.read(io.BytesIO(data)))


def zipped(**files: bytes) -> bytes:
    """`__` stands for a slash."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def changed(apply: Callable[[zipfile.ZipFile], object], *recorded: RecordedExchange) -> bytes:
    """A bundle to which something was added."""
    out = io.BytesIO(written(*recorded))
    with warnings.catch_warnings(), zipfile.ZipFile(out, "a") as archive:
        warnings.simplefilter("ignore")
        apply(archive)
    return out.getvalue()


def test_every_byte_and_the_metadata_read_back_oldest_first() -> None:
    assert read(written(*reversed(VARIED))) == list(VARIED)
    assert read(written()) == []


@settings(deadline=None, max_examples=30)
@given(exchanges())
def test_any_bytes_and_urls_read_back(recorded: list[RecordedExchange]) -> None:
    assert read(written(*recorded)) == recorded


def test_the_same_recordings_make_the_same_file() -> None:
    assert written(*VARIED) == written(*VARIED)


def test_unpacked_its_recordings_are_a_folder_without_faults(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(written(*VARIED[:4]))) as archive:
        archive.extractall(tmp_path)
        assert archive.testzip() is None
    report = verify(tmp_path / "recordings")
    assert (report.exchanges, report.complete, report.faults) == (4, 2, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "pages", "recordings"]
    assert len(list((tmp_path / "pages").iterdir())) == 4


def test_it_is_written_from_front_to_back() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.taken = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]  # it gets bytes
            self.taken += data
            return len(data)

    pipe = Pipe()
    bundle.write(VARIED, pipe, DECODER)  # type: ignore[arg-type]  # it has all that is needed
    assert read(pipe.taken) == list(VARIED)


def test_exchanges_whose_names_would_be_the_same_get_other_digits() -> None:
    first, second = chat(1, "Hi", "Ho"), chat(1, "Hi", "Hu", id=id_of(1)[:-1] + "c")
    assert read(written(first, second)) in ([first, second], [second, first])


def test_a_start_that_is_no_moment_is_left_out_and_told() -> None:
    data, left_out = export("bundle", chat(1, "Hi", "Ho", started_at="2026-99-13T02:11:09.123456Z"), VARIED[0])
    assert left_out == {"'2026-99-13T02:11:09.123456Z' is no date and time": 1}
    assert read(data) == [VARIED[0]]


def test_a_zip_that_somebody_made_of_a_folder_is_read() -> None:
    with zipfile.ZipFile(io.BytesIO(written(VARIED[0]))) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name.startswith("recordings/")}
    for folder in ("", "my logs__2026-09-13__"):
        renamed = {folder + name.removeprefix("recordings/"): data for name, data in files.items()}
        assert read(zipped(README=b"", **renamed)) == [VARIED[0]]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"PK\x03\x04...", "it is no zip that can be read: File is not a zip file"),
        (zipped(**{"..__x": b""}), "it holds the name '../x', which leads out of it"),
        (zipped(**{"a__..__..__x": b""}), "it holds the name 'a/../../x', which leads out of it"),
        (zipped(**{"a\\..\\x": b""}), "it holds the name 'a\\\\..\\\\x', which leads out of it"),
        (zipped(__etc__passwd=b""), "it holds the name '/etc/passwd', which leads out of it"),
        (zipped(**{"C:x": b""}), "it holds the name 'C:x', which leads out of it"),
        (
            changed(lambda archive: archive.writestr(f"recordings/{STEM}_request.bin", b"x"), VARIED[0]),
            f"it holds recordings/{STEM}_request.bin twice",
        ),
        (zipped(**{f"{STEM}_request.bin": b"x"}), f"{STEM}: its response.bin and its metadata.json is not there"),
        (
            zipped(**{f"{STEM}_request.bin": b"x", f"{STEM}_response.bin": b"", f"{STEM}_metadata.json": b"{}"}),
            f"{STEM}: its metadata is not valid: Object missing required field `schema`",
        ),
    ],
)
def test_a_bundle_that_is_damaged_or_hostile_is_refused_in_words(data: bytes, problem: str) -> None:
    with pytest.raises(FormatError) as raised:
        read(data)
    assert str(raised.value) == problem


def test_what_is_wrong_with_one_exchange_is_told_and_the_others_are_read() -> None:
    data = changed(lambda archive: archive.writestr(f"{STEM}_request.bin", b"x"), VARIED[1])
    problems: list[str] = []
    assert list(bundle.read(io.BytesIO(data), problems.append)) == [VARIED[1]]
    assert problems == [f"{STEM}: its response.bin and its metadata.json is not there"]


def test_what_unpacks_to_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(stored(1, REQUEST, CHUNKED + bytes(3_000)), VARIED[1])
    monkeypatch.setattr(bundle, "BODY_BYTES_MAX", 3_000)
    problems: list[str] = []
    assert list(bundle.read(io.BytesIO(data), problems.append)) == [VARIED[1]]
    assert problems == [f"recordings/{STEM}: its response.bin has more than 3,000 bytes"]


def test_a_size_that_is_a_lie_unpacks_to_no_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(stored(1, REQUEST, CHUNKED + bytes(3_000)))
    told = struct.pack("<I", len(CHUNKED) + 3_000)
    assert data.count(told) == 2, "in front of the file, and in the directory"
    monkeypatch.setattr(bundle, "BODY_BYTES_MAX", 3_000)
    with pytest.raises(FormatError) as raised:
        read(data.replace(told, struct.pack("<I", 100)))
    name = f"recordings/{STEM}_response.bin"
    assert str(raised.value) == f"recordings/{STEM}: it cannot be unpacked: Bad CRC-32 for file '{name}'"


def test_files_that_lie_over_each_other_are_refused() -> None:
    """So a small zip would unpack to anything."""
    out = io.BytesIO(written(VARIED[0]))
    with zipfile.ZipFile(out, "a") as archive:
        entry = zipfile.ZipInfo("x")
        entry.CRC, entry.header_offset, entry.compress_size, entry.file_size = 0, 0, len(out.getvalue()), 10**9
        archive.filelist.append(entry)
        archive._didModify = True  # type: ignore[attr-defined]  # so that the directory is written
    with pytest.raises(FormatError) as raised:
        read(out.getvalue())
    assert str(raised.value) == "its files lie over each other, as in a zip that is made to fill disks"


def test_what_is_encrypted_or_packed_in_other_ways_is_told() -> None:
    data = written(VARIED[0])
    lzma = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(lzma, "w", zipfile.ZIP_LZMA) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    with pytest.raises(FormatError) as raised:
        read(lzma.getvalue())
    text = "it is packed in a way that is not read: only stored and deflated files are"
    assert str(raised.value) == f"recordings/{STEM}: {text}"


def test_ids_and_times_that_are_odd_are_kept() -> None:
    early = stored(1, REQUEST, CHUNKED)
    early = early._replace(metadata=msgspec.structs.replace(early.metadata, started_at="1971-01-01T00:00:00.000001Z"))
    assert read(written(early)) == [early]
