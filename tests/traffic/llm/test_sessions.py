"""The call that another continues is found by hashes that do not depend on what clients drop or spell otherwise."""

import subprocess
import sys

import pytest

from traffic.llm.call import LlmCall, Media, Message, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult
from traffic.llm.sessions import NAME_CHARACTERS_MAX, PREFIXES_MAX, Prefix, SessionFacts, named_session, session_facts

SYSTEM = Message("system", (Text("Be brief."),))
WEATHER = ToolCall("call_1", "weather", '{"city": "Köln", "days": 2}')
SUNNY = ToolResult("call_1", None, "sunny")


def said(role: Role, *parts: Part | str) -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def call(*messages: Message, answer: tuple[Message, ...] = (), operation: str = "chat") -> LlmCall:
    return LlmCall(dialect="d", operation=operation, input=messages, output=answer)


def facts(*messages: Message, answer: tuple[Message, ...] = ()) -> SessionFacts:
    return session_facts(call(*messages, answer=answer))


HI = said("user", "Hi")
ASKS = said("assistant", "I look.", WEATHER)


def test_an_agents_run_is_a_chain_of_prefixes() -> None:
    first = facts(HI, answer=(ASKS,))
    second = facts(HI, ASKS, said("tool", SUNNY), answer=(said("assistant", "Sunny."),))
    third = facts(HI, ASKS, said("tool", SUNNY), said("assistant", "Sunny."), said("user", "Thanks"))
    assert first.prefixes == ()
    assert second.prefixes == (Prefix(first.request_hash or 0, first.answer_hash or 0, 1, 2),)
    assert third.prefixes == (Prefix(second.request_hash or 0, second.answer_hash or 0, 3, 4), *second.prefixes)
    assert third.answer_hash is None
    hashes = {first.request_hash, first.answer_hash, second.request_hash, second.answer_hash, third.request_hash}
    assert len(hashes) == 5


def test_messages_of_the_system_are_counted_and_nothing_else() -> None:
    (prefix,) = facts(SYSTEM, HI, HI, ASKS, SYSTEM, HI).prefixes
    assert prefix == Prefix(facts(HI, HI).request_hash or 0, facts(HI, HI, ASKS).request_hash or 0, 3, 4)


@pytest.mark.parametrize(
    ("asked", "sent_back"),
    [
        ((SYSTEM, HI), (HI,)),
        ((said("user", "Hi", " there"),), (said("user", "Hi there\n"),)),
        ((said("user", "Hi"), said("user", " there")), (said("user", "Hi there"),)),
        (
            (said("user", "Hi", Media("image", None, "inline", 3)),),
            (said("user", "Hi ", Media("image", "image/png", "inline", 3)),),
        ),
    ],
)
def test_a_request_is_found_however_its_messages_are_put(
    asked: tuple[Message, ...], sent_back: tuple[Message, ...]
) -> None:
    assert facts(*asked).request_hash == facts(*sent_back, ASKS).prefixes[0].request_hash


@pytest.mark.parametrize(
    ("answer", "sent_back"),
    [
        (said("assistant", Reasoning("hm"), "Yes"), said("assistant", "Yes")),
        (said("assistant", "Yes.\n\n"), said("assistant", "Yes.")),
        (
            said("assistant", WEATHER),
            said("assistant", ToolCall("call_1", "weather", '{"days":2,"city":"K\\u00f6ln"}')),
        ),
        (said("assistant", ToolCall("1", "f", "{cut")), said("assistant", ToolCall("1", "f", " {cut"))),
        (said("assistant", ToolCall("1", "f", "1" * 100)), said("assistant", ToolCall("1", "f", "1" * 100 + " "))),
        (said("assistant", Refusal("No")), said("assistant", Refusal("No "))),
    ],
)
def test_an_answer_is_found_however_the_client_spells_it(answer: Message, sent_back: Message) -> None:
    assert facts(HI, answer=(answer,)).answer_hash == facts(HI, sent_back).prefixes[0].answer_hash


def test_what_differs_has_different_hashes() -> None:
    requests = [
        (said("user", "Hi"),),
        (said("assistant", "Hi"),),
        (said("tool", "Hi"),),
        (said("user", Refusal("Hi")),),
        (said("user", "H", ToolResult("1", None, "i")),),
        (said("user", ToolResult("1", None, "Hi")),),
        (said("user", ToolResult("2", None, "Hi")),),
        (said("user", Media("image", None, "Hi")),),
        (said("user", "Hi"), said("assistant", "Hi")),
        (said("user", "HiassistantHi"),),
        (said("user", ToolCall("1", "f", "{}")),),
        (said("user", ToolCall("1", "f", "[]")),),
        (said("user", ToolCall("1", "g", "{}")),),
    ]
    assert len({facts(*request).request_hash for request in requests}) == len(requests)


@pytest.mark.parametrize("messages", [(), (SYSTEM,), (said("user", " "),), (said("assistant", Reasoning("hm")),)])
def test_without_a_word_there_is_no_hash(messages: tuple[Message, ...]) -> None:
    assert facts(*messages, answer=(ASKS,)) == SessionFacts(None, None, None, None, None, ())


def test_a_conversation_that_begins_with_the_assistant_continues_nothing() -> None:
    assert facts(said("assistant", "Welcome"), HI).prefixes == ()


def test_what_was_embedded_begins_no_conversation() -> None:
    assert session_facts(call(HI, operation="embeddings")).request_hash is None


def test_only_the_first_of_several_answers_counts() -> None:
    one, two = said("assistant", "one"), said("assistant", "two")
    assert facts(HI, answer=(one, two)).answer_hash == facts(HI, answer=(one,)).answer_hash


def test_the_latest_turns_of_a_long_conversation_are_kept_newest_first() -> None:
    turns = [message for turn in range(200) for message in (said("user", f"u{turn}"), said("assistant", f"a{turn}"))]
    found = facts(*turns).prefixes
    assert len(found) == PREFIXES_MAX
    assert found[0].request_hash == facts(*turns[:-1]).request_hash
    assert found[-1].request_hash == facts(*turns[: 2 * (200 - PREFIXES_MAX) + 1]).request_hash


def test_what_the_client_named_is_passed_on() -> None:
    named = LlmCall(dialect="d", operation="chat", session="s", session_source="user", previous_response_id="resp_1")
    assert session_facts(named) == SessionFacts("s", "user", "resp_1", None, None, ())


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, None),
        ({"x-session-id": " run 7 "}, "run 7"),
        ({"x-session-id": "  "}, None),
        ({"x-session-id": "x" * 10_000}, "x" * NAME_CHARACTERS_MAX),
    ],
)
def test_the_clients_header_names_the_session(headers: dict[str, str], name: str | None) -> None:
    assert named_session(headers) == name


def test_hashes_are_the_same_in_every_process_and_stay_so() -> None:
    """An index made by another version is searched by them: a new value needs a new version of the decoder."""
    script = (
        "from traffic.llm.call import *; from traffic.llm.sessions import session_facts\n"
        "call = LlmCall(dialect='d', operation='chat', input=(Message('user', (Text('Hi'),)),))\n"
        "print(session_facts(call).request_hash)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) == facts(HI).request_hash == 7030125950891661656
