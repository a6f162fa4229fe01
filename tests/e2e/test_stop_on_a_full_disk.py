"""A stop comes to its end, and says what it recorded, also where the journal takes not even its last frame."""

import asyncio
import errno
import json
from collections.abc import Sequence

import pytest

from recorder import server as server_module
from recorder.capture.journal import Journal
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok, until


async def test_the_journal_is_closed_by_the_next_start_then(
    flight: Flight, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        await flight.send(b"GET /lm/x HTTP/1.1\r\nHost: a\r\n\r\n")
        await flight.close_clients()
        await flight.wait_until_written()

        def no_room(_journal: Journal, _buffers: Sequence[bytes]) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as full:
            full.setattr(Journal, "append", no_room)
            await asyncio.wait_for(flight.stop_recorder(), 20)
        assert "recorded 1 exchange," in capsys.readouterr().out
        await flight.start_recorder(to(upstream.port))
        (record,) = await flight.land()
    assert record.metadata["completed"]


async def test_what_the_journal_does_not_take_until_the_end_is_counted_and_has_a_gap_record(
    flight: Flight, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two exchanges are whole in the journal, of one the rest is lost, of two everything; room comes too late."""
    monkeypatch.setattr(server_module, "DRAIN_S", 0.3)
    append = Journal.append
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start(to(upstream.port))
        for path in ("a", "b"):
            await flight.send(f"GET /lm/{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        cut = await flight.connect()
        await cut.send(b"POST /lm/c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12")
        recorder = flight.recorder
        assert recorder is not None
        await until(lambda: recorder.ledger.begun == 3, "the third has begun")
        await flight.wait_until_written()
        queue = recorder._context.queue

        def no_room(journal: Journal, buffers: Sequence[bytes]) -> None:
            if not queue._stopping.is_set():
                raise OSError(errno.ENOSPC, "No space left on device")
            append(journal, buffers)

        monkeypatch.setattr(Journal, "append", no_room)
        await cut.send(b"345")
        await cut.read_message()
        for path in ("d", "e"):
            await flight.send(f"GET /lm/{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await flight.close_clients()
        await flight.stop_recorder()
        records = await flight.land()
    assert "; lost 3\n" in capsys.readouterr().out
    assert [record.metadata["completed"] for record in records] == [True, True, False]
    assert records[2].error == ("shutdown", "capture", "recorder")
    (gap,) = [json.loads(line) for line in (flight.log_dir / "gaps.ndjson").read_text().splitlines()]
    assert (gap["exchanges"], gap["reason"]) == (2, "stop_too_late")
