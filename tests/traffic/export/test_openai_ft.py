"""traffic/export/openai_ft.py: examples that OpenAI's own types accept, each conversation once."""

import io
import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from pydantic import TypeAdapter

from tests.traffic.export.made import PATH, answer, chat, export, plain
from tests.traffic.llm.example import DECODER, Example, ndjson, raw, sse
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import ErrorFields
from traffic.export.openai_ft import write

MESSAGES: TypeAdapter[list[ChatCompletionMessageParam]] = TypeAdapter(list[ChatCompletionMessageParam])
TOOLS: TypeAdapter[list[ChatCompletionFunctionToolParam]] = TypeAdapter(list[ChatCompletionFunctionToolParam])
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "Tells it", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
CALL: dict[str, Any] = {
    "id": "call_9",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Bern"}'},
}


def examples(*exchanges: RecordedExchange) -> tuple[list[Any], dict[str, int]]:
    written, left_out = export("openai-ft", *exchanges)
    found = [json.loads(line) for line in written.splitlines()]
    for example in found:
        MESSAGES.validate_python(example["messages"], strict=True)
        TOOLS.validate_python(example.get("tools", []), strict=True)
    return found, {reason: count for reason, count in (left_out or {}).items() if count}


def example(exchange: RecordedExchange) -> Any:
    (found,), left_out = examples(exchange)
    assert left_out == {}
    return found


def reason(exchange: RecordedExchange) -> str:
    found, left_out = examples(exchange)
    assert found == []
    ((why, count),) = left_out.items()
    assert count == 1
    return why


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]


# --- which conversations


def test_of_a_conversation_that_goes_on_the_longest_is_kept() -> None:
    found, left_out = examples(
        chat(1, "Hi", "Hello"),
        chat(2, "Who?", "Me"),
        chat(3, "Hi", "Hello", "How?", "So"),
        chat(4, "Hi", "Hello", "How?", "So", "Why?", "Because"),
    )
    assert [each["messages"] for each in found] == [
        said("Who?", "Me"),
        said("Hi", "Hello", "How?", "So", "Why?", "Because"),
    ]
    assert left_out == {"the beginning of another": 2}


def test_branches_of_a_conversation_are_both_kept() -> None:
    found, left_out = examples(
        chat(1, "Hi", "Hello"), chat(2, "Hi", "Hello", "A?", "a"), chat(3, "Hi", "Hello", "B?", "b")
    )
    assert [each["messages"][-1]["content"] for each in found] == ["a", "b"]
    assert left_out == {"the beginning of another": 1}


def test_the_same_again_is_kept_once_but_another_answer_or_system_message_is_another_example() -> None:
    found, left_out = examples(
        chat(1, "Hi", "Hello"),
        chat(2, "Hi", "Hello"),
        chat(3, "Hi", "Hey"),
        chat(4, "Hi", "Hello", system="Be kind"),
    )
    assert [len(each["messages"]) for each in found] == [2, 2, 3]
    assert left_out == {"the same as another": 1}


def test_many_lines_are_moved_up_where_others_go() -> None:
    conversations = [chat(number, f"Question {number}", "x" * number * 100) for number in range(1, 50)]
    longer = [chat(50, f"Question {number}", "x" * number * 100, "More?", "No") for number in range(1, 50, 2)]
    found, _ = examples(*conversations, *longer)
    assert [len(each["messages"]) for each in found] == [2] * 24 + [4] * 25


def test_nothing_is_an_empty_file() -> None:
    out = io.BytesIO()
    write([], out, DECODER)
    assert out.getvalue() == b""


REFUSED = ErrorFields("upstream_reset", "response_body", "upstream", "x")
LEFT_OUT = {
    "no call to an LLM": plain(1),
    "no chat": raw(Example("/v1/embeddings", {"model": "m", "input": "a"}, b'{"data": []}')),
    "a call that failed": raw(Example(PATH, {"messages": []}, b'{"error": {"message": "no"}}', status=429)),
    "an answer that was cut": chat(1, "Hi", "Hello", completed=False, error=REFUSED),
    "a conversation that the provider keeps": raw(
        Example(
            "/v1/responses",
            {"model": "m", "input": "And?", "previous_response_id": "resp_1"},
            b'{"object": "response", "status": "completed", "output": []}',
        )
    ),
}


@pytest.mark.parametrize("why", LEFT_OUT)
def test_what_is_no_example_is_left_out_and_counted(why: str) -> None:
    assert reason(LEFT_OUT[why]) == why


@pytest.mark.parametrize(("finish_reason", "why"), [("length", "an answer that was cut"), ("stop", None)])
def test_an_answer_that_a_limit_ended_is_cut(finish_reason: str, why: str | None) -> None:
    exchange = raw(Example(PATH, {"messages": said("Hi")}, answer("Hello", finish_reason)))
    assert list(examples(exchange)[1]) == ([why] if why else [])


@pytest.mark.parametrize("text", ["", None])
def test_an_empty_answer_is_no_example(text: str | None) -> None:
    assert reason(raw(Example(PATH, {"messages": said("Hi")}, answer(text)))) == "an empty answer"


def test_an_answer_without_a_question_is_no_example() -> None:
    assert reason(raw(Example(PATH, {"messages": []}, answer("Hello")))) == "an empty answer"


# --- what is written of them


def chatted(messages: list[Any], **asked: Any) -> RecordedExchange:
    return raw(Example(PATH, {"model": "m", "messages": messages, **asked}, answer("Done")))


def test_tool_calls_and_results_of_openai_stay_as_they_are() -> None:
    messages = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_9", "content": "rain"},
    ]
    assert example(chatted(messages, tools=[TOOL])) == {
        "messages": [*messages, {"role": "assistant", "content": "Done"}],
        "tools": [TOOL],
    }


def test_an_answer_that_calls_tools_ends_an_example() -> None:
    exchange = raw(
        Example(
            PATH,
            {"messages": said("Weather?"), "functions": [FUNCTION]},
            answer(None, "tool_calls", tool_calls=[CALL]),
        )
    )
    assert example(exchange) == {
        "messages": [*said("Weather?"), {"role": "assistant", "content": None, "tool_calls": [CALL]}],
        "tools": [TOOL],
    }


def test_the_responses_apis_items_become_messages() -> None:
    items = [
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "call_9", "name": "weather", "arguments": '{"city": "Bern"}'},
        {"type": "function_call_output", "call_id": "call_9", "output": "rain"},
    ]
    asked = {"model": "m", "instructions": "Be brief", "input": items, "tools": [{"type": "function", **FUNCTION}]}
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Rain."}]}]
    answered = json.dumps({"object": "response", "status": "completed", "output": output}).encode()
    assert example(raw(Example("/v1/responses", asked, answered))) == {
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_9", "content": "rain"},
            {"role": "assistant", "content": "Rain."},
        ],
        "tools": [TOOL],
    }


def test_anthropics_blocks_become_messages_and_its_streams_answers() -> None:
    asked: dict[str, Any] = {
        "model": "m",
        "system": "Be brief",
        "tools": [
            {"name": "weather", "description": "Tells it", "input_schema": SCHEMA},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "messages": [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "Let me see"},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
                    {"type": "text", "text": "In one word"},
                ],
            },
        ],
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"role": "assistant", "content": [], "model": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Rain"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    stream = sse(*((each["type"], each) for each in events))
    call = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    assert example(raw(Example("/v1/messages", {**asked, "stream": True}, stream, "text/event-stream"))) == {
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "Let me see", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"},
            {"role": "user", "content": "In one word"},
            {"role": "assistant", "content": "Rain"},
        ],
        "tools": [TOOL],
    }


def test_geminis_calls_get_ids_and_its_schemas_types_in_small_letters() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {"type": {"type": "STRING"}, "all": {"type": "ARRAY", "items": {"type": "STRING"}}},
    }
    asked = {
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Bern"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "rain"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "weather", "parameters": schema}]}, {"googleSearch": {}}],
    }
    candidate = {"content": {"role": "model", "parts": [{"text": "Rain"}]}, "finishReason": "STOP"}
    answered = json.dumps({"candidates": [candidate], "usageMetadata": {}}).encode()
    found = example(raw(Example("/v1beta/models/gemini-2.5-flash:generateContent", asked, answered)))
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    assert found["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"result":"rain"}'},
        {"role": "assistant", "content": "Rain"},
    ]
    properties = {"type": {"type": "string"}, "all": {"type": "array", "items": {"type": "string"}}}
    parameters = {"type": "object", "properties": properties}
    assert found["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]


def test_ollamas_results_belong_to_the_calls_of_their_names() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {"city": "Bern"}}}

    asked = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Weather and time?"},
            {"role": "assistant", "content": "", "tool_calls": [call("weather"), call("clock")]},
            {"role": "tool", "tool_name": "clock", "content": "noon"},
            {"role": "tool", "tool_name": "weather", "content": "rain"},
        ],
    }
    stream = ndjson(
        {"model": "m", "message": {"role": "assistant", "content": "Rain "}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "at noon"}, "done": True, "done_reason": "stop"},
    )
    messages = example(raw(Example("/api/chat", asked, stream, "application/x-ndjson")))["messages"]
    assert [each["id"] for each in messages[1]["tool_calls"]] == ["call_1", "call_2"]
    assert [(each["tool_call_id"], each["content"]) for each in messages[2:4]] == [
        ("call_2", "noon"),
        ("call_1", "rain"),
    ]
    assert messages[4] == {"role": "assistant", "content": "Rain at noon"}


def test_texts_in_parts_and_images_by_url_stay_parts() -> None:
    content = [
        {"type": "text", "text": "Two parts"},
        {"type": "text", "text": "and an image"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
    ]
    assert example(chatted([{"role": "user", "content": content}]))["messages"][0]["content"] == content


def test_a_refusal_is_one() -> None:
    exchange = raw(Example(PATH, {"messages": said("Harm?")}, answer(None, refusal="No.")))
    assert example(exchange)["messages"][-1] == {"role": "assistant", "content": None, "refusal": "No."}


UNFIT: dict[str, list[Any]] = {
    "media that such a file cannot hold": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
    ],
    "a tool call without its result": [
        *said("Weather?"),
        {"role": "assistant", "tool_calls": [CALL]},
        *said("Never mind"),
    ],
    "a result without its tool call": [{"role": "tool", "tool_call_id": "call_1", "content": "rain"}],
}


@pytest.mark.parametrize("why", UNFIT)
def test_what_openai_would_refuse_is_left_out(why: str) -> None:
    assert reason(chatted(UNFIT[why])) == why
