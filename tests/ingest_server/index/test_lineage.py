"""Which exchange continues which, in which session, and what of it is new."""

import itertools
import json

import pytest
from msgspec.structs import replace

from ingest_server.index.entry import Entry
from ingest_server.index.writer import IndexWriter
from tests.ingest_server.index.exchanges import chat, entry, exchange_id, plain, recorded
from tests.ingest_server.index.tables import check, found, row, rows, sessions
from tests.traffic.llm.example import Example, raw

TALK = ["Hi", "Hello", "Weather?", "Sunny", "Thanks", "Welcome"]


def said(number: int, *turns: str, session: str = "", key: str | None = None) -> Entry:
    """A call whose messages are all of `turns` but the last, which is its answer."""
    headers = (("X-Session-Id", session),) if session else ()
    exchange = chat(number, turns[:-1], turns[-1], headers)
    return entry(exchange._replace(metadata=replace(exchange.metadata, key=key)))


def responses(number: int, response_id: str, previous: str | None) -> Entry:
    """A call of OpenAI's Responses API."""
    asked = {"model": "gpt-4o", "input": "Hi", "previous_response_id": previous}
    answered = {"id": response_id, "object": "response", "status": "completed", "model": "gpt-4o", "output": []}
    return entry(recorded(number, raw(Example("/v1/responses", asked, json.dumps(answered).encode()))))


def origins(writer: IndexWriter) -> dict[int, tuple[int | None, int | str | None]]:
    """Of each exchange its parent and its session; the number of an exchange where that is its name."""
    numbers: dict[str | None, int] = {each.id: int(each.id[:8], 16) for each in rows(writer.database)}
    check(writer.database)
    return {
        numbers[each.id]: (numbers.get(each.parent), numbers.get(each.session, each.session))
        for each in rows(writer.database)
    }


def test_a_conversation_is_a_chain_in_the_session_of_its_first_exchange(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2]), said(2, *TALK[:4]), said(3, *TALK)])
    assert origins(writer) == {1: (None, 1), 2: (1, 1), 3: (2, 1)}
    assert [each[3] for each in sessions(writer.database)] == [3]


def test_a_fork_is_a_tree(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2]), said(2, *TALK[:4]), said(3, *TALK[:2], "News?", "None"), said(4, *TALK)])
    assert origins(writer) == {1: (None, 1), 2: (1, 1), 3: (1, 1), 4: (2, 1)}


def test_the_same_question_again_is_a_session_of_its_own(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2]), said(2, *TALK[:2])])
    assert origins(writer) == {1: (None, 1), 2: (None, 2)}


def test_of_several_that_were_asked_the_same_the_parent_is_the_newest_with_the_answer(writer: IndexWriter) -> None:
    writer.put([said(1, "Hi", "Hello"), said(2, "Hi", "Hello"), said(3, "Hi", "Howdy"), said(4, *TALK[:4])])
    assert origins(writer)[4] == (2, 2)


def test_where_none_has_the_answer_the_parent_is_the_newest(writer: IndexWriter) -> None:
    writer.put([said(1, "Hi", "Howdy"), said(2, "Hi", "Hey"), said(3, *TALK[:4])])
    assert origins(writer)[3] == (2, 2)


def test_the_parent_is_the_longest_beginning_and_not_a_later_shorter_one(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2]), said(2, *TALK[:4]), said(3, *TALK[:2]), said(4, *TALK)])
    assert origins(writer)[4] == (2, 1)


def test_a_turn_that_was_not_recorded_is_stepped_over(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2]), said(3, *TALK)])
    assert origins(writer) == {1: (None, 1), 3: (1, 1)}


def test_a_name_is_the_session_and_goes_with_its_own_kind_only(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2], session="a"), said(2, *TALK[:2], session="b"), said(3, *TALK[:2])])
    writer.put([said(4, *TALK[:4], session="a"), said(5, *TALK[:4], session="b"), said(6, *TALK[:4])])
    assert origins(writer) == {
        1: (None, "a"), 2: (None, "b"), 3: (None, 3), 4: (1, "a"), 5: (2, "b"), 6: (3, 3)
    }  # fmt: skip


def test_users_with_keys_of_their_own_who_say_the_same_have_sessions_of_their_own(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2], key="ann"), said(2, *TALK[:2], key="bob"), said(3, *TALK[:2])])
    writer.put([said(4, *TALK[:4], key="ann"), said(5, *TALK[:4]), said(6, *TALK[:4], key="eve")])
    assert origins(writer) == {1: (None, 1), 2: (None, 2), 3: (None, 3), 4: (1, 1), 5: (3, 3), 6: (None, 6)}


def test_a_named_session_goes_on_under_another_key(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2], session="a", key="ann"), said(2, *TALK[:4], session="a", key="ann-new")])
    assert origins(writer) == {1: (None, "a"), 2: (1, "a")}


def test_plain_http_has_a_session_where_it_is_named(writer: IndexWriter) -> None:
    writer.put([entry(plain(1)), entry(plain(2, headers=(("X-SESSION-ID", "a"),)))])
    assert origins(writer) == {1: (None, None), 2: (None, "a")}


def test_a_response_that_is_continued_by_its_id_is_the_parent(writer: IndexWriter) -> None:
    writer.put([responses(1, "resp_1", None), responses(2, "resp_2", "resp_1"), responses(3, "resp_3", "resp_2")])
    assert origins(writer) == {1: (None, 1), 2: (1, 1), 3: (2, 1)}


def test_one_that_continues_a_response_which_nobody_recorded_is_the_first(writer: IndexWriter) -> None:
    writer.put([responses(1, "resp_1", "resp_0")])
    assert origins(writer) == {1: (None, 1)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_parents_may_come_later(writer: IndexWriter, order: tuple[int, ...]) -> None:
    talk = [said(1, *TALK[:2]), said(2, *TALK[:4]), said(3, *TALK), said(4, *TALK[:4], "News?", "None")]
    ids = [responses(number, f"resp_{number}", f"resp_{number - 1}") for number in range(11, 15)]
    for place in order:
        writer.put([talk[place], ids[place]])
    assert origins(writer) == {
        1: (None, 1), 2: (1, 1), 3: (2, 1), 4: (2, 1), 11: (None, 11), 12: (11, 11), 13: (12, 11), 14: (13, 11)
    }  # fmt: skip


def test_when_the_first_exchange_gets_a_name_its_followers_go_with_it(writer: IndexWriter) -> None:
    first = said(1, *TALK[:2])
    writer.put([first, said(2, *TALK[:4])])
    writer.put([said(1, *TALK[:2], session="a")])
    assert {number: session for number, (_, session) in origins(writer).items()} == {1: "a", 2: "a"}


def test_what_is_left_of_a_session_keeps_its_name_when_its_first_exchange_is_deleted(writer: IndexWriter) -> None:
    first, second = said(1, *TALK[:2]), said(2, *TALK[:4])
    writer.put([first, second])
    writer.remove([first.row.stem])
    assert (row(writer.database, 2).session, row(writer.database, 2).parent) == (exchange_id(1), exchange_id(1))
    assert [(each[0], each[1], each[3]) for each in sessions(writer.database)] == [(exchange_id(1), second.row.at, 1)]
    check(writer.database)


def test_an_exchange_is_found_by_what_is_new_in_it(writer: IndexWriter) -> None:
    writer.put([said(1, *TALK[:2]), said(2, *TALK[:4]), said(3, *TALK)])
    assert {word: found(writer.database, word) for word in ("hi", "hello", "weather", "sunny", "thanks")} == {
        "hi": [1], "hello": [1], "weather": [2], "sunny": [2], "thanks": [3]
    }  # fmt: skip


def test_an_answer_that_its_parent_did_not_give_is_new(writer: IndexWriter) -> None:
    writer.put([said(1, "Hi", "Howdy"), said(2, *TALK[:4])])
    assert (found(writer.database, "hi"), found(writer.database, "hello")) == ([1], [2])


def test_without_a_parent_everything_is_new(writer: IndexWriter) -> None:
    writer.put([said(3, *TALK)])
    assert [found(writer.database, word) for word in ("hi", "hello", "weather", "sunny", "thanks", "welcome")] == [
        [3]
    ] * 6
