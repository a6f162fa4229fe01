"""The capture link over HTTP: offsets, refusals, many recorders, and a server that is killed again and again."""

import asyncio
import http.client
import io
import json
import os
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import aiohttp
import pytest

from ingest_server import files, sidecar, uploads
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from ingest_server.sidecar import Kept
from ingest_server.store import Store
from tests.ingest_server.recorder_side import (
    JOURNAL,
    REQUEST,
    RESPONSE,
    closed,
    described,
    finished,
    gap_lines,
    recordings,
    request,
    response,
    started,
    whole,
)

OTHER = JOURNAL.replace("1", "7")


async def put(
    client: aiohttp.ClientSession, offset: int | str, data: bytes, journal: str = JOURNAL, **headers: str
) -> tuple[int, object]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.put(f"/v1/journals/{journal}/{offset}", data=io.BytesIO(data), headers=named) as reply:
        return reply.status, await (reply.json() if reply.content_type == "application/json" else reply.text())


async def test_bytes_of_a_journal_become_files_before_they_are_acknowledged(
    client: aiohttp.ClientSession, settings: IngestSettings
) -> None:
    data = whole(1) + whole(2)
    assert await put(client, 0, data) == (200, {"next": len(data), "stored": len(data)})
    assert described(settings.log_dir, 1)["completed"] is True
    assert described(settings.log_dir, 2)["completed"] is True


async def test_the_rest_of_a_cut_frame_is_asked_for(client: aiohttp.ClientSession) -> None:
    data = whole(1)
    assert await put(client, 0, data + started(2)[:-1]) == (200, {"next": len(data), "stored": len(data)})


async def test_an_empty_body_asks_where_the_journal_stands(client: aiohttp.ClientSession) -> None:
    assert await put(client, 0, b"") == (200, {"next": 0, "stored": 0})
    end = len(whole(1))
    await put(client, 0, whole(1))
    assert await put(client, 0, b"") == (409, {"next": end, "stored": end})
    assert await put(client, end, b"") == (200, {"next": end, "stored": end})


async def test_a_lost_store_is_noted_and_passed_over(client: aiohttp.ClientSession, settings: IngestSettings) -> None:
    end = 1000 + len(whole(1))
    assert await put(client, 1000, whole(1)) == (409, {"next": 0, "stored": 0})
    assert await put(client, 1000, whole(1), X_Journal_Oldest="1000") == (200, {"next": end, "stored": end})
    assert [line["reason"] for line in gap_lines(settings.log_dir)] == ["store_lost"]


REFUSED = [
    ("0", "no-uuid", {}, 400, "a journal's name is a UUID in lower case, not 'no-uuid'\n"),
    (
        "0",
        JOURNAL.replace("4", "A"),
        {},
        400,
        f"a journal's name is a UUID in lower case, not '{JOURNAL.replace('4', 'A')}'\n",
    ),
    ("-1", JOURNAL, {}, 400, "an offset has 1 to 18 decimal digits\n"),
    ("1234567890123456789", JOURNAL, {}, 400, "an offset has 1 to 18 decimal digits\n"),
    ("0", JOURNAL, {"X_Journal_Oldest": "x"}, 400, "an offset has 1 to 18 decimal digits\n"),
]


@pytest.mark.parametrize(("offset", "journal", "headers", "status", "text"), REFUSED)
async def test_what_cannot_be_meant_is_refused(
    client: aiohttp.ClientSession, offset: str, journal: str, headers: dict[str, str], status: int, text: str
) -> None:
    assert await put(client, offset, b"x", journal, **headers) == (status, text)


async def test_an_invalid_frame_is_named(client: aiohttp.ClientSession) -> None:
    data = whole(1)
    text = f"no valid frame at byte {len(data)}: checksum does not match\n"
    assert await put(client, 0, data + bytes(33)) == (422, text)


async def test_a_sidecar_that_makes_no_sense_is_not_taken_for_an_invalid_frame(settings: IngestSettings) -> None:
    data = started(1) + request(1)
    store = Store(settings)
    store.apply(JOURNAL, 0, [data])
    store.settle(flush=True)
    async with (
        IngestServer(settings) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client,
    ):
        assert (await put(client, len(data), b""))[0] == 200
        record = sidecar.encode_record(Kept.PROGRESS, 0, b"no msgpack")
        files.append(f"{settings.log_dir}/.ingest/open/{JOURNAL}-1", record)
        assert (await put(client, len(data), finished(1)))[0] == 500


async def test_a_body_is_bounded(client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BODY_BYTES_MAX", 1000)
    assert await put(client, 0, bytes(1001)) == (413, "a body has at most 1000 bytes\n")


async def test_a_large_body_is_taken_whole(client: aiohttp.ClientSession, settings: IngestSettings) -> None:
    reads = [os.urandom(200_000) for _ in range(40)]
    body = b"".join(reads)
    data = started(1) + request(1)
    data += b"".join(response(1, read, place * 200_000) for place, read in enumerate(reads))
    data += finished(1, response_bytes=len(body))
    assert await put(client, 0, data) == (200, {"next": len(data), "stored": len(data)})
    assert described(settings.log_dir, 1)["completed"] is True
    (path,) = settings.log_dir.glob("*_response.bin")
    assert path.read_bytes() == body


async def test_recorders_do_not_disturb_each_other(client: aiohttp.ClientSession, settings: IngestSettings) -> None:
    one = b"".join(whole(number) for number in range(1, 40))
    two = b"".join(whole(number) for number in range(40, 80))
    replies = await asyncio.gather(put(client, 0, one), put(client, 0, two, OTHER))
    assert list(replies) == [(200, {"next": len(data), "stored": len(data)}) for data in (one, two)]
    assert len(list(settings.log_dir.glob("*_metadata.json"))) == 79


async def test_a_running_stream_is_on_disk_within_a_second(
    client: aiohttp.ClientSession, settings: IngestSettings
) -> None:
    data = started(1) + request(1) + response(1)
    assert await put(client, 0, data) == (200, {"next": len(data), "stored": 0})
    async with asyncio.timeout(5):
        while await put(client, len(data), b"") != (200, {"next": len(data), "stored": len(data)}):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the flush is a matter of time, this is what it is about
    (path,) = settings.log_dir.glob("*_response.bin")
    assert path.read_bytes() == RESPONSE


async def test_a_full_disk_acknowledges_nothing_and_heals(
    client: aiohttp.ClientSession, settings: IngestSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", fail)
        async with client.put(f"/v1/journals/{JOURNAL}/0", data=whole(1)) as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
            assert await reply.text() == "the recording cannot be written: No space left on device\n"
    assert await put(client, 0, whole(1)) == (200, {"next": len(whole(1)), "stored": len(whole(1))})
    assert described(settings.log_dir, 1)["completed"] is True


SERVER = """
import asyncio, sys
from pathlib import Path
from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings

async def main():
    settings = IngestSettings(port=0, log_dir=Path(sys.argv[1]), key_dir=Path(sys.argv[2]))
    async with IngestServer(settings) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def start_process(tmp_path: Path) -> tuple[subprocess.Popen[bytes], http.client.HTTPConnection]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "logs"), str(tmp_path / "key")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    return process, http.client.HTTPConnection("127.0.0.1", int(process.stdout.readline()), timeout=20)


def test_a_server_killed_while_frames_flow_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """50 streams, sent piece by piece; nine times the server is killed on the way, without a word."""
    streams = range(1, 51)
    parts = [RESPONSE, *(b"data: %d\n\n" % place for place in range(40))]
    ends = list(accumulate(map(len, parts)))
    journal = b"".join(started(number) + request(number) for number in streams)
    for part, end in zip(parts, ends, strict=True):
        journal += b"".join(response(number, part, end - len(part)) for number in streams)
    journal += b"".join(finished(number, response_bytes=ends[-1]) for number in streams) + closed()
    kill_at = [len(journal) * place // 10 for place in range(1, 10)]
    at = 0
    process, connection = start_process(tmp_path)
    try:
        while at < len(journal):
            if kill_at and at >= kill_at[0]:
                kill_at.pop(0)
                end_process(process, connection)
                process, connection = start_process(tmp_path)
            connection.request("PUT", f"/v1/journals/{JOURNAL}/{at}", body=journal[at : at + 7001])
            at = json.loads(connection.getresponse().read())["next"]
    finally:
        end_process(process, connection)
    assert not kill_at
    for number in streams:
        assert described(tmp_path / "logs", number)["completed"] is True
    files = recordings(tmp_path / "logs")
    assert len(files) == 3 * len(streams)
    assert {data for name, data in files.items() if name.endswith("_response.bin")} == {b"".join(parts)}
    assert {data for name, data in files.items() if name.endswith("_request.bin")} == {REQUEST}


def end_process(process: subprocess.Popen[bytes], connection: http.client.HTTPConnection) -> None:
    connection.close()
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
