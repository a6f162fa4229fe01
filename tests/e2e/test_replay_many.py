"""recorder replay of many exchanges through a real recorder: all are recorded anew, and each names its original."""

from collections import Counter
from pathlib import Path

from tests.e2e.conftest import Flight, to
from tests.e2e.test_replay import recorded, replay
from tests.replay.scripted_server import ANSWER, answer_all, serving

ORIGINALS = 4
POST = b"POST /lm/v1/chat?number=%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 2\r\n\r\n{}"


async def test_a_load_of_recorded_traffic_is_recorded_and_linked(flight: Flight, tmp_path: Path) -> None:
    async with serving(answer_all) as upstream:
        await flight.start(to(upstream.port))
        port = flight.port
        for number in range(ORIGINALS):
            await flight.send(POST % (number, port))
        await recorded(flight.log_dir, ORIGINALS)
        options = ("--schedule", "recorded", "--speed", "0.5x", "--repeat", "3", "--out", "kept")
        code, out, err = await replay(tmp_path, str(flight.log_dir), *options)
        assert (code, err) == (0, ""), out
        assert f"answers     200: {3 * ORIGINALS}\n" in out
        records = await flight.land()
    originals = {record.metadata["id"]: record for record in records if record.metadata["replay_of"] is None}
    replays = [record for record in records if record.metadata["replay_of"] is not None]
    assert Counter(each.metadata["replay_of"] for each in replays) == dict.fromkeys(originals, 3)
    for each in replays:
        assert each.request == originals[each.metadata["replay_of"]].request
        assert each.response == ANSWER
    kept = Counter(path.read_bytes() for path in (tmp_path / "kept").glob("*_request.bin"))
    called = [POST % (number, port) for number in range(ORIGINALS)]  # the recorder was, not the upstream
    url = b"X-Proxy-Path: http://127.0.0.1:%d/lm/v1/chat?number=%d\r\n\r\n{}"
    lines = [url % (port, number) for number in range(ORIGINALS)]
    assert kept == {one.replace(b"\r\n{}", line): 3 for one, line in zip(called, lines, strict=True)}
