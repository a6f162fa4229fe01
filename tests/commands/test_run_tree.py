"""A session as a tree: who continues whom."""

import msgspec

from commands.run_tree import branches
from commands.sessions import step_of
from ingest_server.index.summary import ExchangeSummary
from tests.commands.exchanges import CALL, exchange


def at(second: int, digits: str, parent: str | None = None) -> ExchangeSummary:
    of = f"{parent}-1111-4111-8111-111111111111" if parent else None
    return exchange(digits, started_at=f"2026-09-13T02:11:{second:02d}.000000Z", parent=of)


def drawn(*summaries: ExchangeSummary) -> list[str]:
    return [branch.guides + branch.summary.id[:8] for branch in branches(summaries)]


def test_a_run_in_which_each_continues_the_last_stays_at_the_left() -> None:
    assert drawn(at(2, "cccccccc", "bbbbbbbb"), at(0, "aaaaaaaa"), at(1, "bbbbbbbb", "aaaaaaaa")) == [
        "aaaaaaaa", "bbbbbbbb", "cccccccc",
    ]  # fmt: skip


def test_where_two_continue_the_same_one_the_run_branches_the_older_first() -> None:
    lines = drawn(
        at(0, "aaaaaaaa"),
        at(1, "b1b1b1b1", "aaaaaaaa"),
        at(2, "b2b2b2b2", "aaaaaaaa"),
        at(3, "c1c1c1c1", "b1b1b1b1"),
        at(4, "d1d1d1d1", "c1c1c1c1"),
        at(5, "d2d2d2d2", "c1c1c1c1"),
        at(6, "c2c2c2c2", "b2b2b2b2"),
    )
    assert lines == [
        "aaaaaaaa",
        "├─ b1b1b1b1",
        "│  c1c1c1c1",
        "│  ├─ d1d1d1d1",
        "│  └─ d2d2d2d2",
        "└─ b2b2b2b2",
        "   c2c2c2c2",
    ]


def test_one_whose_parent_is_not_there_begins_a_run_of_its_own() -> None:
    assert drawn(at(0, "aaaaaaaa"), at(1, "bbbbbbbb", "99999999")) == ["aaaaaaaa", "bbbbbbbb"]


def test_parents_that_go_in_a_circle_lose_nobody() -> None:
    assert drawn(at(0, "aaaaaaaa", "bbbbbbbb"), at(1, "bbbbbbbb", "aaaaaaaa")) == ["aaaaaaaa", "bbbbbbbb"]


def test_a_run_of_ten_thousand_is_drawn() -> None:
    summaries = [at(0, "00000000")]
    for number in range(1, 10_000):
        summaries.append(
            exchange(f"{number:08x}", started_at=f"2026-09-13T02:11:09.{number:06d}Z", parent=summaries[-1].id)
        )
    assert len(drawn(*summaries)) == 10_000


def test_a_step_says_what_is_new_in_it_and_which_tools_are_called() -> None:
    asks = msgspec.structs.replace(CALL, tool_calls=("search", "book"), finish_reason="tool_calls")
    first = exchange("aaaaaaaa", call=asks)
    second = exchange("bbbbbbbb", call=asks, parent=first.id, started_at="2026-09-13T02:11:10.000000Z")
    third = exchange("cccccccc", parent=second.id, started_at="2026-09-13T02:11:11.000000Z")
    assert [step_of(branch) for branch in branches([first, second, third])] == [
        "What do you record?  → search, book",
        "→ search, book",
        "(stop)",
    ]
