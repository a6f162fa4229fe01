"""A damaged frame in the journal costs that frame, leaves a gap record, and holds nothing up."""

import json
from pathlib import Path

import aiohttp
import pytest

from ingest_server.server import IngestServer
from ingest_server.settings import IngestSettings
from recorder.server import Recorder
from recorder.settings import Capture, Console, RecorderSettings
from traffic.capture.frames import FrameDecoder, Kind


def settings(folder: Path, server_url: str) -> RecorderSettings:
    capture = Capture(server_url=server_url, journal_dir=folder / "journal")
    return RecorderSettings(host="127.0.0.1", port=0, console=Console(enabled=False), capture=capture)


@pytest.mark.parametrize("places", [[40], [3], [4], [5], [6], [7], [8], [15], [40, 6], [6, 40]])
async def test_flipped_bits_in_a_journal_cost_their_exchanges_and_are_told(tmp_path: Path, places: list[int]) -> None:
    """One in the second exchange's start, one in the fourth's: in payload, checksum, length, kind, number."""
    async with Recorder(settings(tmp_path, "http://127.0.0.1:9")) as recorder, aiohttp.ClientSession() as client:
        for number in range(5):
            async with client.get(f"http://127.0.0.1:{recorder.port}/unmatched/{number}") as response:
                assert response.status == 404
    [segment] = (tmp_path / "journal").glob("*/*.seg")
    data = bytearray(segment.read_bytes())
    frames = list(FrameDecoder().feed(bytes(data)))
    starts = [index for index, frame in enumerate(frames) if frame.kind == Kind.STARTED]
    damaged = starts[1::2][: len(places)]
    for index, place in zip(damaged, places, strict=True):
        data[sum(33 + len(frame.payload) for frame in frames[:index]) + place] ^= 2
    segment.write_bytes(data)

    ingest = IngestServer(IngestSettings(host="127.0.0.1", port=0, log_dir=tmp_path / "logs", key_dir=tmp_path / "key"))
    async with ingest:
        async with Recorder(settings(tmp_path, f"http://127.0.0.1:{ingest.port}")) as recorder:
            pass  # its stop waits until the journals are stored
        assert [path.name for path in (tmp_path / "journal").iterdir() if path.is_dir()] == []

    records = [json.loads(path.read_bytes()) for path in (tmp_path / "logs").glob("*_metadata.json")]
    records.sort(key=lambda record: str(record["url"]))
    left = [str(number) for number in range(5) if starts[number] not in damaged]
    assert [(record["url"][-1], record["completed"]) for record in records] == [(number, True) for number in left]
    gaps = [json.loads(line) for line in (tmp_path / "logs" / "gaps.ndjson").read_text().splitlines()]
    lost = [33 + len(frames[index].payload) for index in damaged]
    assert [gap["bytes"] for gap in gaps if gap["reason"] == "store_lost"] == lost
    assert sum(gap["exchanges"] for gap in gaps) == len(damaged)
