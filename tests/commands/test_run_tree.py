"""A session as a tree: who continues whom."""

from commands.run_tree import branches
from ingest_server.index.summary import ExchangeSummary
from tests.commands.exchanges import exchange


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
