"""A damaged frame in the journal costs that frame, leaves a gap record, and holds nothing up."""

import json
from pathlib import Path

import aiohttp

from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from recorder.server import Recorder
from recorder.settings import Capture, Console, RecorderSettings
from traffic.capture.frames import FrameDecoder, Kind


def settings(folder: Path, server_url: str) -> RecorderSettings:
    capture = Capture(server_url=server_url, journal_dir=folder / "journal")
    return RecorderSettings(host="127.0.0.1", port=0, console=Console(enabled=False), capture=capture)


async def test_a_flipped_bit_in_a_journal_costs_one_exchange_and_is_told(tmp_path: Path) -> None:
    async with Recorder(settings(tmp_path, "http://127.0.0.1:9")) as recorder, aiohttp.ClientSession() as client:
        for number in range(3):
            async with client.get(f"http://127.0.0.1:{recorder.port}/unmatched/{number}") as response:
                assert response.status == 404
    [segment] = (tmp_path / "journal").glob("*/*.seg")
    data = bytearray(segment.read_bytes())
    frames = list(FrameDecoder().feed(bytes(data)))
    second = [frame.kind for frame in frames].index(Kind.STARTED, 1)
    data[sum(33 + len(frame.payload) for frame in frames[:second]) + 40] ^= 1
    segment.write_bytes(data)

    ingest = IngestServer(IngestSettings(host="127.0.0.1", port=0, log_dir=tmp_path / "logs", key_dir=tmp_path / "key"))
    async with ingest:
        async with Recorder(settings(tmp_path, f"http://127.0.0.1:{ingest.port}")) as recorder:
            pass  # its stop waits until the journals are stored
        assert [path.name for path in (tmp_path / "journal").iterdir() if path.is_dir()] == []

    records = [json.loads(path.read_bytes()) for path in (tmp_path / "logs").glob("*_metadata.json")]
    records.sort(key=lambda record: str(record["url"]))
    assert [(record["url"][-1], record["completed"]) for record in records] == [("0", True), ("2", True)]
    gaps = [json.loads(line) for line in (tmp_path / "logs" / "gaps.ndjson").read_text().splitlines()]
    assert gaps[0]["bytes"] == 33 + len(frames[second].payload)
