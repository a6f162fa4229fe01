"""From an SDK through the recorder to a real llama.cpp server, and from the stored files to the call: what is decoded
is what the SDK read.
"""

from pathlib import Path
from typing import Any

import msgspec

from tests.e2e.conftest import Flight, to
from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.llm.call import LlmCall, Text
from traffic.llm.decode import Decoder
from traffic.llm.dialects import BUILT_IN

MESSAGES: Any = [{"role": "user", "content": "Say something. Grüße!"}]
# Greedy, as llama.cpp leaves message_start out where the first token is half a character.
ASKED: Any = {"model": "tiny", "messages": MESSAGES, "extra_body": {"temperature": 0}}
DECODER = Decoder(BUILT_IN)


def decoded(log_dir: Path, stem: str) -> LlmCall:
    facts = msgspec.json.decode((log_dir / f"{stem}_metadata.json").read_bytes(), type=Metadata)
    sides = [(log_dir / f"{stem}_{side}.bin").read_bytes() for side in ("request", "response")]
    found = DECODER.decode(RecordedExchange(facts, *sides))
    assert found is not None
    return found.call


def assert_same(call: LlmCall, message: Any) -> None:
    assert (call.dialect, call.model, call.problems) == ("anthropic.messages", "tiny", ())
    assert call.input[-1].text == MESSAGES[0]["content"]
    assert (call.response_id, call.response_model) == (message.id, message.model)
    assert (call.finish_reason, call.truncated) == (message.stop_reason, False)
    said = "".join(block.text for block in message.content)
    assert "".join(part.text for each in call.output for part in each.parts if isinstance(part, Text)) == said
    cached = message.usage.cache_read_input_tokens
    assert call.usage.input_tokens == message.usage.input_tokens + (cached or 0)
    assert (call.usage.output_tokens, call.usage.cached_input_tokens) == (message.usage.output_tokens, cached)


async def test_anthropic_sdk(flight: Flight, llama_port: int) -> None:
    import anthropic

    await flight.start(to(llama_port))
    url = f"{flight.url}/lm"
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-test", max_retries=0) as client:
        whole = await client.messages.create(**ASKED, max_tokens=8, system="Be kind.")
        async with client.messages.stream(**ASKED, max_tokens=32) as stream:
            streamed = await stream.get_final_message()
    records = await flight.land()
    calls = [decoded(flight.log_dir, record.stem) for record in records]
    assert [call.stream for call in calls] == [False, True]
    assert_same(calls[0], whole)
    assert_same(calls[1], streamed)
    assert calls[0].input[0].text == "Be kind."
    assert calls[0].usage.source != "missing"
