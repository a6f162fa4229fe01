"""The same asked twice of a real server, by real SDKs: what differs then is volatile, and known to be."""

from typing import Any

from replay.compare import compare
from replay.learn import learn
from replay.masks import Masks
from replay.recordings import exchanges_in
from tests.e2e.conftest import Flight, to
from tests.traffic.llm.example import DECODER

MESSAGES: Any = [{"role": "user", "content": "Say something."}]


async def test_answers_to_the_same_request_are_the_same_but_for_what_is_volatile(
    flight: Flight, llama_port: int
) -> None:
    import anthropic
    import openai

    await flight.start(to(llama_port))
    url = f"{flight.url}/lm"
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=0) as client:
        chat: Any = {"model": "tiny", "messages": MESSAGES, "max_tokens": 8, "temperature": 0, "seed": 1}
        answer: Any = {"model": "tiny", "input": "Say something.", "max_output_tokens": 8, "temperature": 0}
        for _ in range(2):
            await client.chat.completions.create(**chat)
            async for _ in await client.chat.completions.create(**chat, stream=True):
                pass
            await client.responses.create(**answer)
            async for _ in await client.responses.create(**answer, stream=True):
                pass
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-test", max_retries=0) as client:
        message: Any = {"model": "tiny", "max_tokens": 8, "messages": MESSAGES, "extra_body": {"temperature": 0}}
        for _ in range(2):
            await client.messages.create(**message)
            async for _ in await client.messages.create(**message, stream=True):
                pass
    await flight.land()
    recorded = list(exchanges_in(flight.log_dir))
    pairs = [(recorded[n], recorded[n + 4]) for n in range(4)] + [(recorded[n], recorded[n + 2]) for n in (8, 9)]
    for one, other in pairs:
        assert one.response != other.response
        found = compare(one, other, DECODER, Masks())
        assert found.differences == ()
        assert found.a.output_tokens == found.b.output_tokens == 8
        assert learn(one, [other], DECODER, Masks()).ignore == ()
