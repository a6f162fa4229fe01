"""Rows of exchanges: what fits a terminal, what a pipe gets, and that nothing recorded acts on the terminal."""

from typing import Any

import msgspec
import pytest

from commands.exchange_columns import exchange_rows, outcome, outcome_style
from tests.commands.exchanges import CALL, exchange
from traffic.llm.call import ProviderError

ASKED = exchange("092d0424")
URLS = ("http://[/x?a=1#b", "http://[secret:0123abcd]@h/x", "http://[secret:0123abcd]@h", "x")
REFUSED = exchange("192d0424", call=None, status=502, completed=False, error="upstream_refused", duration_ms=2.1)


def test_where_there_is_no_terminal_every_column_is_there_in_full() -> None:
    rows = exchange_rows([ASKED, REFUSED], None)
    lines = [rows.title().plain, rows.row(ASKED).plain, rows.row(REFUSED).plain]
    assert [line.split()[:10] for line in lines[1:]] == [
        [ASKED.started_at, ASKED.id, "openai", "gpt-4o", "200", "1.24s", "310ms", "1234", "56", "$0.0042"],
        [REFUSED.started_at, REFUSED.id, "openai", "-", "502:upstream_refused", "2.1ms", "-", "-", "-", "-"],
    ]
    assert [line.partition("$0.0042  ")[2] for line in lines[1:2]] == ["What do you record?"]
    assert lines[2].endswith("  POST /openai/v1/chat/completions")
    assert len({line.index(word) for line, word in zip(lines, ("id ", "092d", "192d"), strict=True)}) == 1


def test_a_url_that_is_none_is_shown_as_far_as_it_goes() -> None:
    shown = [
        exchange_rows([each], None).row(each).plain
        for each in (exchange("092d0424", call=None, url=url) for url in URLS)
    ]
    assert [line.partition("POST ")[2] for line in shown] == ["/x?a=1", "/x", "http://[secret:0123abcd]@h", "x"]


def test_a_narrow_terminal_loses_columns_and_then_the_end_of_the_prompt() -> None:
    for width in (200, 120, 80, 40):
        rows = exchange_rows([ASKED, REFUSED], width)
        assert all(rows.row(each).cell_len <= width for each in (ASKED, REFUSED)), width
    titles = [exchange_rows([ASKED], width).title().plain.split() for width in (200, 100, 80)]
    assert titles == [
        ["time", "(UTC)", "id", "route", "model", "status", "took", "first", "in", "out", "cost", "prompt"],
        ["time", "(UTC)", "id", "route", "model", "status", "took", "in", "out", "cost", "prompt"],
        ["time", "(UTC)", "id", "model", "status", "took", "in", "out", "prompt"],
    ]


def test_long_names_give_way_to_the_prompt() -> None:
    asked = exchange("092d0424", call=msgspec.structs.replace(CALL, model="claude-3-5-haiku-latest"))
    rows = exchange_rows([asked, REFUSED], 80)
    assert rows.row(asked).plain.split("  ")[-1] == "What do you re…"
    assert "  claude-3-5-haik…  200  " in rows.row(asked).plain
    assert rows.row(REFUSED).plain.startswith("09-13 02:11:09  192d0424  -                 502 upstrea…  2.1ms  POST /")


@pytest.mark.parametrize(
    ("changes", "text", "style"),
    [
        ({}, "200", "green"),
        ({"call": {"truncated": True}}, "200 cut", "red"),
        ({"call": {"error": ProviderError("server_error", "503", "overloaded")}}, "200 server_error", "red"),
        ({"call": {"error": ProviderError(None, "503", "overloaded")}}, "200 503", "red"),
        ({"call": {"error": ProviderError(None, None, "overloaded"), "truncated": True}}, "200 error", "red"),
        ({"call": {"error": ProviderError("requests", None, "slow down")}, "status": 429}, "429", "yellow"),
        ({"call": {"truncated": True}, "error": "upstream_reset"}, "200 upstream_reset", "red"),
        ({"call": {"truncated": True}, "completed": False}, "200 open", "blue"),
    ],
)
def test_what_went_wrong_within_an_answer_stands_beside_its_status(
    changes: dict[str, Any], text: str, style: str
) -> None:
    changes = {**changes, "call": msgspec.structs.replace(CALL, **changes.get("call", {}))}
    found = exchange("092d0424", **changes)
    assert (outcome(found), outcome_style(found)) == (text, style)


def test_wide_characters_take_two_places() -> None:
    said = "記録" * 100
    asked = exchange("092d0424", call=msgspec.structs.replace(CALL, preview=said))
    row = exchange_rows([asked], 120).row(asked)
    assert row.cell_len <= 120
    assert row.plain.endswith("…")


def test_nothing_recorded_acts_on_the_terminal_or_is_read_as_markup() -> None:
    hostile = exchange("092d0424", route="[red]\x1b[2J", error="\x9b1m\n\u202e", call=None, url="http://a/\x1b]0;x\x07")
    for width in (None, 200):
        line = exchange_rows([hostile], width).row(hostile).plain
        assert line.isprintable()
        assert "[red]\\x1b[2J" in line
