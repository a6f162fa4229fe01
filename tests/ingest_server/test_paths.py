"""No id in a URL, no link and no file of its own leads the ingest server out of `log_dir`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from ingest_server import files, sidecar
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from ingest_server.sidecar import Kept, Opened
from ingest_server.store import Store
from tests.e2e.scripted import connect
from tests.ingest_server.recorder_side import JOURNAL, described, exchange_id, request, started, whole
from traffic.capture.events import Received, Started

ID = "092d0424-1b2c-4d3e-8f40-5a6b7c8d9e0f"
IDS = {
    "parent": "..",
    "parents": "../../../../tmp/x",
    "encoded slashes": "..%2f..%2f..%2ftmp%2fx",
    "encoded dots": "%2e%2e%2fx",
    "double encoding": "%252e%252e%252fx",
    "encoded backslashes": "..%5c..%5cx",
    "overlong UTF-8": "%c0%ae%c0%ae%c0%afx",
    "absolute": "%2Ftmp%2Fx",
    "NUL behind": f"{ID}%00",
    "NUL within": f"{ID[:8]}%00{ID[9:]}",
    "newline behind": f"{ID}%0A",
    "space behind": f"{ID}%20",
    "unicode digits": ID.replace("0", "%D9%A0"),
    "fullwidth digits": ID.replace("0", "%EF%BC%90"),
    "fullwidth slash": "..%EF%BC%8Fx",
    "long s": ID.replace("d", "%C5%BF"),
    "overlong": ID + "0" * 4000,
    "short": ID[:-1],
    "braces": f"%7B{ID}%7D",
    "without hyphens": ID.replace("-", ""),
    "urn": f"urn:uuid:{ID}",
    "empty": "",
    "dot": ".",
    "tilde": "~",
    "device": "CON",
    "stream": f"{ID}::$DATA",
    "temporary file": "new.tmp",
    "own state": ".ingest",
}


@pytest.fixture
def settings(tmp_path: Path) -> IngestSettings:
    """Folders deep enough that a way out would end below tmp_path."""
    return IngestSettings(port=0, log_dir=tmp_path / "a/b/c/d/logs", key_dir=tmp_path / "key")


@pytest.fixture
async def server(settings: IngestSettings) -> AsyncIterator[IngestServer]:
    async with IngestServer(settings) as server:
        yield server


def everything(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.mark.parametrize("path", ["/v1/journals/{}/0", "/{}/request", "/{}/response"])
@pytest.mark.parametrize("id_", IDS.values(), ids=IDS.keys())
async def test_an_id_that_is_no_uuid_is_refused_and_nothing_is_written(
    server: IngestServer, tmp_path: Path, path: str, id_: str
) -> None:
    before = everything(tmp_path)
    client = await connect(server.port)
    await client.send(f"PUT {path.format(id_)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx".encode())
    answer = await client.read_message()
    assert answer[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")
    assert everything(tmp_path) == before
    await client.leave()


OFFSETS = ["..", "%2e%2e", "-1", "+1", "1e3", "0x1", "%D9%A1", "%EF%BC%91", "1%00", "1" * 19, "%20", "1_0"]


@pytest.mark.parametrize("offset", OFFSETS)
async def test_an_offset_that_is_no_number_is_refused_and_nothing_is_written(
    server: IngestServer, tmp_path: Path, offset: str
) -> None:
    before = everything(tmp_path)
    client = await connect(server.port)
    head = f"PUT /v1/journals/{JOURNAL}/{offset} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"
    await client.send(head.encode())
    assert (await client.read_message()).startswith(b"HTTP/1.1 400 ")
    assert everything(tmp_path) == before
    await client.leave()


async def test_a_journal_in_upper_case_is_refused_and_an_exchange_is_the_one_in_lower_case(
    client: aiohttp.ClientSession,
) -> None:
    """Uuidgen of macOS writes upper case: at the door it names the same files."""
    async with client.put(f"/v1/journals/{ID.upper()}/0", data=b"") as reply:
        assert reply.status == 400
    for exchange, status in ((ID.upper(), 201), (ID, 409)):
        async with client.put(f"/{exchange}/request", data=b"x") as reply:
            assert reply.status == status


@pytest.mark.parametrize("name", ["../../out", "/etc/out", "2026-09-13_02-11-09.123_0000000g", ".."])
async def test_an_exchange_in_a_journal_is_named_by_the_server(
    client: aiohttp.ClientSession, tmp_path: Path, name: str
) -> None:
    before = everything(tmp_path)
    async with client.put(f"/v1/journals/{JOURNAL}/0", data=started(1, exchange=name)) as reply:
        assert (reply.status, await reply.text()) == (
            422,
            "no valid frame at byte 0: exchange 1 has no valid id or start\n",
        )
    assert everything(tmp_path) == before


@pytest.mark.parametrize("stem", ["../../../out", "/tmp/out", "", "2026-09-13_02-11-09.123_00000001/../../../out"])
def test_a_sidecar_that_names_other_files_is_not_followed(tmp_path: Path, stem: str) -> None:
    log_dir = tmp_path / "a/b/logs"
    Store(IngestSettings(log_dir=log_dir))
    facts = Started(exchange_id(1), 1, None, None, "GET", "/", None, "", Received("", None, []))
    record = sidecar.encode_record(Kept.OPENED, 0, sidecar.encode(Opened(stem, facts)))
    files.write_over(f"{log_dir}/.ingest/open/{JOURNAL}-1", record)
    before = everything(tmp_path)
    store = Store(IngestSettings(log_dir=log_dir))
    store.apply(JOURNAL, 0, [b""])
    store.settle(flush=True)
    assert everything(tmp_path) <= before


needs_links = pytest.mark.skipif(os.name == "nt", reason="making links takes rights on Windows")


@needs_links
@pytest.mark.parametrize("place", [".ingest", ".ingest/open", ".ingest/journals", ".ingest/door", "2026-09-13"])
def test_a_folder_below_log_dir_that_is_a_link_is_refused(tmp_path: Path, place: str) -> None:
    log_dir, outside = tmp_path / "logs", tmp_path / "outside"
    (log_dir / place).parent.mkdir(parents=True)
    outside.mkdir()
    (log_dir / place).symlink_to(outside)
    with pytest.raises(NotADirectoryError) as caught:
        store_one(log_dir)
    assert caught.value.strerror == "is a symbolic link, and not a folder of the ingest server's own"
    assert list(outside.iterdir()) == []


def store_one(log_dir: Path) -> None:
    store = Store(IngestSettings(log_dir=log_dir, layout="daily"))
    store.apply(JOURNAL, 0, [whole(1)])
    store.settle(flush=True)


@needs_links
def test_log_dir_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    (tmp_path / "logs").symlink_to(tmp_path / "large disk")
    store = Store(IngestSettings(log_dir=tmp_path / "logs"))
    store.apply(JOURNAL, 0, [whole(1)])
    store.settle(flush=True)
    assert described(tmp_path / "large disk", 1)["completed"] is True


@needs_links
@pytest.mark.parametrize("place", ["gaps.ndjson", "2026-09-13_02-11-09.123_00000001_request.bin"])
def test_a_link_in_a_files_place_is_never_written_through(tmp_path: Path, place: str) -> None:
    log_dir, victim = tmp_path / "logs", tmp_path / "victim"
    victim.write_bytes(b"mine")
    log_dir.mkdir()
    (log_dir / place).symlink_to(victim)
    store = Store(IngestSettings(log_dir=log_dir))
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        files.append(f"{log_dir}/{place}", b"x")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        files.cut(f"{log_dir}/{place}", 0)
    if place != "gaps.ndjson":
        store.apply(JOURNAL, 0, [started(1) + request(1)])
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            store.settle(flush=True)
    assert victim.read_bytes() == b"mine"
