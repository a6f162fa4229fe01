"""What tail prints of an event."""

from datetime import UTC, datetime

import msgspec
import pytest

from commands.live_events import Event
from commands.tail import lines_of
from ingest_server.index.summary import UsageSummary
from tests.commands.exchanges import CALL, exchange
from traffic.llm.call import ProviderError

NOW = datetime(2026, 9, 13, 2, 11, 9, tzinfo=UTC)
ID = "092d0424-1111-4111-8111-111111111111"


def printed(name: str, **fields: object) -> list[str]:
    return [line.plain for line in lines_of(Event(name, {"id": ID, **fields}), NOW)]


def test_a_start_an_end_and_a_call_are_a_line_each() -> None:
    assert printed("started", method="POST", url="http://a/v1") == ["02:11:09  092d0424  ▶ POST http://a/v1"]
    assert printed("finished", status=200, durations_ms={"total": 1240.1}, response_bytes=18_300, error=None) == [
        "02:11:09  092d0424  ■ 200  1.24s  18.3 kB"
    ]
    assert printed("finished", status=None, durations_ms={}, response_bytes=0, error="upstream_refused") == [
        "02:11:09  092d0424  ■ -  -  0 B  upstream_refused"
    ]
    assert printed("call", **msgspec.to_builtins(exchange("092d0424"))) == [
        (
            "02:11:09  092d0424  ● gpt-4o  1.2k in, 56 out  $0.0042  first token 310ms  45 tokens/s  stop  "
            "What do you record?"
        )
    ]


def test_a_call_that_failed_says_why_and_no_figures_that_nobody_knows() -> None:
    said = {"usage": UsageSummary(None, None, None, None, None, "missing"), "cost_usd": None, "tokens_per_s": None}
    error = ProviderError("server_error", None, "overloaded")
    call = msgspec.structs.replace(CALL, **said, error=error, ttft_ms=None, finish_reason=None)
    assert printed("call", **msgspec.to_builtins(exchange("092d0424", call=call))) == [
        "02:11:09  092d0424  ● gpt-4o  server_error  What do you record?"
    ]


def test_plain_http_has_no_call_and_another_version_s_event_no_line() -> None:
    assert printed("call", **msgspec.to_builtins(exchange("092d0424", call=None))) == []
    assert printed("something") == []


def test_events_that_were_lost_are_counted() -> None:
    assert printed("lost", events=7) == ["7 events came faster than they were read, and are not shown"]


@pytest.mark.parametrize("hostile", ["\x1b[2J\x9b", "[red]\u202e"])
def test_nothing_in_an_event_acts_on_the_terminal(hostile: str) -> None:
    lines = printed("started", method=hostile, url=hostile) + printed("finished", status=200, error=hostile)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
