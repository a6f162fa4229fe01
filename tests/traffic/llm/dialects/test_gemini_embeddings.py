"""Gemini's embeddings in the normal form, as the google-genai SDK asks for them."""

import httpx
import pytest
from google import genai
from google.genai import types

from tests.traffic.llm.example import Example, decode
from tests.traffic.llm.overheard import Overheard
from tests.traffic.llm.properties import check_all
from traffic.llm.call import Message, ProviderError, Text, Usage

PATH = "/v1beta/models/gemini-embedding-test"


def said(*texts: str) -> tuple[Message, ...]:
    return tuple(Message("user", (Text(text),)) for text in texts)


async def test_what_the_sdk_asks_for_and_gets() -> None:
    answer = b'{"embeddings": [{"values": [0.1]}, {"values": [0.2]}], "usageMetadata": {"promptTokenCount": 4}}'
    async with Overheard(Example(f"{PATH}:batchEmbedContents", {}, answer)) as overheard, httpx.AsyncClient() as http:
        options = types.HttpOptions(base_url=overheard.url, api_version="v1beta", httpx_async_client=http)
        sdk = genai.Client(api_key="sk-test", http_options=options)
        contents = [types.Content(parts=[types.Part(text=words)]) for words in ("Hi", "Grüezi")]
        found = await sdk.aio.models.embed_content(model="gemini-embedding-test", contents=contents)
        call = decode(overheard.raw).call
        sdk.close()
    assert found.usage_metadata is not None
    assert (len(found.embeddings or []), found.usage_metadata.prompt_token_count) == (2, call.usage.input_tokens)
    assert (call.dialect, call.operation, call.model) == ("gemini.embeddings", "embeddings", "gemini-embedding-test")
    assert (call.input, call.output, call.stream) == (said("Hi", "Grüezi"), (), False)
    assert call.usage == Usage(input_tokens=4, sources={"input_tokens": "reported: usageMetadata.promptTokenCount"})
    assert (call.problems, call.truncated) == ((), False)


def test_one_content_and_parameters() -> None:
    asked = {"model": "models/x", "content": {"parts": [{"text": "Hi"}]}, "taskType": "RETRIEVAL_QUERY"}
    call = check_all(Example(f"{PATH}:embedContent", asked, b'{"embedding": {"values": [0.1, 0.2]}}')).call
    assert (call.input, call.parameters, call.usage) == (said("Hi"), {"taskType": "RETRIEVAL_QUERY"}, Usage())


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
def test_an_error_is_told(content_type: str) -> None:
    error = b'{"error": {"code": 400, "message": "Too long", "status": "INVALID_ARGUMENT"}}'
    answer = error if content_type == "application/json" else b"data: " + error + b"\n\n"
    call = decode(Example(f"{PATH}:embedContent", {"content": "Hi"}, answer, content_type, 400)).call
    assert (call.error, call.input) == (ProviderError("INVALID_ARGUMENT", "400", "Too long"), said("Hi"))
