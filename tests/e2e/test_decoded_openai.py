"""From the openai SDK through the recorder to a real llama.cpp server, and from the stored files to the call: what is
decoded is what the SDK read, of chats and of Responses, streamed and whole.
"""

from typing import Any

from tests.e2e.conftest import Flight, to
from tests.e2e.test_decoded import decoded
from traffic.llm.call import LlmCall

MESSAGES: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say something. Grüße!"}]
ASKED: Any = {"model": "tiny", "messages": MESSAGES, "max_tokens": 24, "user": "u1"}


async def calls(flight: Flight, count: int) -> list[LlmCall]:
    records = await flight.land()
    assert len(records) == count
    found = [decoded(flight.log_dir, record.stem) for record in records]
    assert [call.problems for call in found] == [()] * count
    return found


async def test_openai_chat(flight: Flight, llama_port: int) -> None:
    import openai
    from openai.lib.streaming.chat import ChatCompletionStreamState

    await flight.start(to(llama_port))
    both: list[Any] = []
    options: Any
    async with openai.AsyncOpenAI(base_url=f"{flight.url}/lm/v1", api_key="sk-test", max_retries=0) as client:
        whole = await client.chat.completions.create(**ASKED)
        for options in ({"stream_options": {"include_usage": True}}, {}):
            state = ChatCompletionStreamState()
            async for chunk in await client.chat.completions.create(**ASKED, **options, stream=True):
                state.handle_chunk(chunk)
            both.append(state.current_completion_snapshot)
    found = await calls(flight, 3)
    assert [call.stream for call in found] == [False, True, True]
    for call, completion in zip(found, [whole, *both], strict=True):
        choice = completion.choices[0]
        assert (call.dialect, call.model, call.response_model) == ("openai.chat", "tiny", completion.model)
        assert [message.text for message in call.input] == ["Be kind.", "Say something. Grüße!"]
        assert [message.text for message in call.output] == [choice.message.content]
        assert (call.response_id, call.finish_reason) == (completion.id, choice.finish_reason)
        assert (call.truncated, call.session, call.error) == (False, "u1", None)
    for call, completion in zip(found[:2], [whole, both[0]], strict=True):
        assert completion.usage is not None
        assert call.usage.sources["input_tokens"] == "reported: usage.prompt_tokens"
        assert call.usage.input_tokens == completion.usage.prompt_tokens
        assert call.usage.output_tokens == completion.usage.completion_tokens
    assert both[1].usage is None
    assert found[2].usage.input_tokens == found[1].usage.input_tokens
    assert found[2].usage.sources["output_tokens"] == "reported: timings.predicted_n"


async def test_openai_responses(flight: Flight, llama_port: int) -> None:
    import openai

    asked: Any = {"model": "tiny", "input": "Say something. Grüße!", "instructions": "Be kind."}
    await flight.start(to(llama_port))
    async with openai.AsyncOpenAI(base_url=f"{flight.url}/lm/v1", api_key="sk-test", max_retries=0) as client:
        whole = await client.responses.create(**asked, max_output_tokens=24)
        stream = await client.responses.create(**asked, max_output_tokens=24, stream=True)
        streamed = [event async for event in stream][-1].response
    found = await calls(flight, 2)
    assert [call.stream for call in found] == [False, True]
    for call, response in zip(found, [whole, streamed], strict=True):
        assert (call.dialect, call.model, call.response_model) == ("openai.responses", "tiny", response.model)
        assert [message.text for message in call.input] == ["Be kind.", "Say something. Grüße!"]
        assert [message.text for message in call.output] == [response.output_text]
        assert (call.response_id, call.finish_reason, call.truncated) == (response.id, response.status, False)
        assert response.usage is not None
        assert (call.usage.input_tokens, call.usage.output_tokens) == (
            response.usage.input_tokens,
            response.usage.output_tokens,
        )


async def test_openai_completions_and_embeddings(flight: Flight, llama_port: int) -> None:
    """llama.cpp embeds with a server that was started for it only: its error is the provider's."""
    import openai
    import pytest

    await flight.start(to(llama_port))
    async with openai.AsyncOpenAI(base_url=f"{flight.url}/lm/v1", api_key="sk-test", max_retries=0) as client:
        whole = await client.completions.create(model="tiny", prompt="Say", max_tokens=8)
        pieces = [
            chunk.choices[0].text
            async for chunk in await client.completions.create(model="tiny", prompt="Say", max_tokens=8, stream=True)
        ]
        with pytest.raises(openai.APIStatusError) as raised:
            await client.embeddings.create(model="tiny", input="Say")
    completed, streamed, embedded = await calls(flight, 3)
    assert (completed.dialect, embedded.dialect) == ("openai.completions", "openai.embeddings")
    assert completed.output[0].text == whole.choices[0].text
    assert streamed.output[0].text == "".join(pieces)
    assert whole.usage is not None
    assert completed.usage.output_tokens == streamed.usage.output_tokens == whole.usage.completion_tokens
    assert embedded.error is not None
    assert embedded.error.message in raised.value.message
