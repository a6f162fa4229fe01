"""A stop comes to its end, and says what it recorded, also where the journal takes not even its last frame."""

import asyncio
import errno
from collections.abc import Sequence

import pytest

from recorder.capture.journal import Journal
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok


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
        assert "recorded 1 exchanges" in capsys.readouterr().out
        await flight.start_recorder(to(upstream.port))
        (record,) = await flight.land()
    assert record.metadata["completed"]
