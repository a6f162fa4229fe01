"""recorder/console.py: a stdout that cannot show a character gets its escape, and the lines behind it."""

import io
import time

from recorder.console import ConsoleWriter, StartedLine, StoppedLine
from recorder.settings import Console


async def test_a_character_outside_of_stdouts_encoding_is_escaped() -> None:
    raw = io.BytesIO()
    writer = ConsoleWriter(Console(), io.TextIOWrapper(raw, "ascii", newline="\n"))
    writer.show(StartedLine(time.time(), "00000000", "GET", "/\xe9", None, is_recorded=False))
    writer.stop(StoppedLine(time.time(), 0, 0, 0))
    first, last = raw.getvalue().decode("ascii").splitlines()
    assert first.endswith(" [00000000] GET /\\xe9 -> NOT_FOUND [no-log]")
    assert last == "recorded 0 exchanges, 0 B; lost 0"
