"""The link between a recorder and an ingest server that asks for a link key: who lacks it waits, and loses nothing."""

import logging
from pathlib import Path

import pytest

from recorder.settings import Capture
from tests.e2e.conftest import Flight, to
from tests.e2e.scripted import ScriptedUpstream, answers, ok, until
from traffic.keys import Key, hash_key

LINK = "rk-the-link-key-of-this-recorder"
KEYS = (Key.parse("laptop", hash_key(LINK)),)
GET = b"GET /lm/x HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_a_recorder_with_the_link_key_ships(
    flight: Flight, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start_ingest(link_keys=KEYS)
        await flight.start_recorder(to(upstream.port), capture=Capture(link_key=LINK))
        await flight.send(GET)
    assert len(await flight.land()) == 1
    assert LINK not in caplog.text
    assert LINK.encode() not in everything_below(tmp_path)


@pytest.mark.parametrize(
    ("link_key", "said"),
    [
        (
            "rk-the-link-key-of-another-one",
            (
                "capture.link_key is refused: the ingest server at {} answered: the key that was sent is none of "
                "ingest.link_keys; recordings wait in the journal"
            ),
        ),
        (
            None,
            (
                "a link key is asked for, and capture.link_key is not set: the ingest server at {} answered: this "
                "wants a key of ingest.link_keys: send one as `x-recorder-key: KEY` or `Authorization: Bearer KEY`; "
                "recordings wait in the journal"
            ),
        ),
    ],
)
async def test_without_it_recordings_wait_in_the_journal_until_the_key_is_right(
    flight: Flight, caplog: pytest.LogCaptureFixture, link_key: str | None, said: str
) -> None:
    async with ScriptedUpstream(answers(ok())) as upstream:
        await flight.start_ingest(link_keys=KEYS)
        await flight.start_recorder(to(upstream.port), capture=Capture(link_key=link_key))
        for _ in range(3):
            assert (await flight.send(GET))[0] == ok()
        errors = [f"{said.format(f'http://127.0.0.1:{flight.ingest_port}')}"]
        await until(lambda: _errors(caplog) == errors, "the refusal is told")
        await flight.wait_until_written()
        await flight.stop_recorder()
        assert list(flight.log_dir.glob("*.bin")) == []
        assert _errors(caplog) == errors
        await flight.start_recorder(to(upstream.port), capture=Capture(link_key=LINK))
    assert len(await flight.land()) == 3


def everything_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
