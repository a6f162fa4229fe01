"""Who serves a call, and how that is known."""

import pytest

from traffic.llm.providers import Provider, authority_of, find_provider


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://openrouter.ai/api/v1/chat/completions", "openrouter.ai"),
        ("http://127.0.0.1:1234/v1?x", "127.0.0.1:1234"),
        ("http://host?x=/", "host"),
        ("", ""),
        ("/v1", ""),
    ],
)
def test_a_url_tells_its_authority(url: str, authority: str) -> None:
    assert authority_of(url) == authority


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("openrouter.ai", "openrouter"),
        ("API.OpenAI.com:443", "openai"),
        ("eu.api.openai.com", "openai"),
        ("my.openai.azure.com", "azure"),
        ("my.services.ai.azure.com", "azure"),
        ("api.anthropic.com.", "anthropic"),
        ("generativelanguage.googleapis.com", "google"),
        ("us-central1-aiplatform.googleapis.com", "google"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "aws"),
        ("api.mistral.ai", "mistral"),
        ("api.groq.com", "groq"),
        ("api.deepseek.com", "deepseek"),
        ("api.x.ai", "x-ai"),
        ("api.cohere.com", "cohere"),
        ("api.together.xyz", "together"),
        ("api.fireworks.ai", "fireworks"),
        ("api.perplexity.ai", "perplexity"),
    ],
)
def test_a_known_host_tells_the_provider(authority: str, name: str) -> None:
    assert find_provider(None, authority, ("claude-3-opus",)) == Provider(name, "host")


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "127.0.0.1:1234",
        "[::1]:1234",
        "api.openai.com.evil.example",
        "xopenrouter.ai",
        "s3.amazonaws.com",
        "x" * 10_000,
    ],
)
def test_another_host_tells_nothing(authority: str) -> None:
    assert find_provider(None, authority, ()) == Provider(None, None)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "openai"),
        ("openai/gpt-4o", "openai"),
        ("GPT-5-mini", "openai"),
        ("o1", "openai"),
        ("o3-mini", "openai"),
        ("o4-mini-2025-04-16", "openai"),
        ("ft:gpt-4o-mini:acme::abc", "openai"),
        ("text-embedding-3-small", "openai"),
        ("claude-sonnet-4-20250514", "anthropic"),
        ("anthropic/claude-3.5-sonnet", "anthropic"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "aws"),
        ("amazon.nova-pro-v1:0", "aws"),
        ("models/gemini-2.5-flash", "google"),
        ("gemini-2.0-flash", "google"),
        ("mistral-large-latest", "mistral"),
        ("mistralai/codestral-latest", "mistral"),
        ("deepseek-chat", "deepseek"),
        ("grok-4", "x-ai"),
        ("command-r-plus", "cohere"),
        ("sonar-pro", "perplexity"),
        ("groq/llama-3.1-70b", "groq"),
        ("openrouter/openai/gpt-4o", "openrouter"),
        ("azure/gpt-4o", "azure"),
    ],
)
def test_the_name_of_a_model_gives_its_provider_away_on_a_host_that_nobody_knows(model: str, name: str) -> None:
    assert find_provider(None, "127.0.0.1:1234", (None, model)) == Provider(name, "model")


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-oss-20b",
        "gpt-oss:20b",
        "llama3.2",
        "qwen/qwen3-8b",
        "deepseek-r1:8b",
        "deepseek-ai/DeepSeek-V3",
        "mistral:7b",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "google/gemma-3-12b",
        "o1x",
        "gpt-neo-2.7b",
        "",
        "gpt-4o" * 100_000,
    ],
)
def test_open_models_are_served_by_anybody(model: str) -> None:
    assert find_provider(None, "127.0.0.1:1234", (model,)) == Provider(None, None)


def test_the_route_goes_before_all() -> None:
    assert find_provider("vllm", "api.openai.com", ("claude-3-opus",)) == Provider("vllm", "route")
