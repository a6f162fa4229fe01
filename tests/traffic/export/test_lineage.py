"""traffic/export/lineage.py: sessions and parents without an index."""

from tests.traffic.export.made import chat, id_of
from tests.traffic.llm.example import Example, decode, raw
from traffic.capture.exchange import RecordedExchange
from traffic.export.lineage import Lineage
from traffic.export.spans import Place


def places(*exchanges: RecordedExchange) -> list[Place]:
    lineage = Lineage()
    return [lineage.place(each.metadata, decode(each).call) for each in exchanges]


def test_what_repeats_a_conversation_continues_the_latest_of_its_session() -> None:
    first, second, third, other = places(
        chat(1, "Hi", "Hello"),
        chat(2, "Hi", "Hello", "How?", "So"),
        chat(3, "Hi", "Hello", "How?", "So", "Why?", "Because"),
        chat(4, "Who?", "Me"),
    )
    assert first == Place(id_of(1), None)
    assert second == Place(id_of(1), id_of(1))
    assert third == Place(id_of(1), id_of(2))
    assert other == Place(id_of(4), None)


def test_of_two_with_the_same_beginning_the_one_whose_answer_is_repeated_is_the_parent() -> None:
    *_, branch = places(chat(1, "Hi", "Hello"), chat(2, "Hi", "Hey"), chat(3, "Hi", "Hello", "And?", "So"))
    assert branch == Place(id_of(1), id_of(1))


def test_users_with_keys_of_their_own_do_not_continue_each_other() -> None:
    _, second = places(chat(1, "Hi", "Hello", key="ann"), chat(2, "Hi", "Hello", "How?", "So", key="bob"))
    assert second == Place(id_of(2), None)


def test_a_name_that_the_client_gives_is_the_session() -> None:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "user": "ann"}
    (named,) = places(raw(Example("/v1/chat/completions", asked, b"{}")))
    assert named.session == "ann"


def test_who_names_a_response_continues_it() -> None:
    said = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
    first = raw(Example("/v1/responses", {"model": "m", "input": "Hi"}, str(said).replace("'", '"').encode()))
    asked = {"model": "m", "input": "And?", "previous_response_id": "resp_1"}
    second = raw(Example("/v1/responses", asked, b"{}"))
    assert places(first, second)[1] == Place(first.metadata.id, first.metadata.id)
