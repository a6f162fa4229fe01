"""Who serves a call: what the route says, else a host that is known, else what the model's name gives away.

The names are those under which genai-prices lists prices, so that a provider found here has them. Called by decode.py.
"""

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

_HOSTS: Final = {
    "ai-gateway.vercel.sh": "vercel",
    "aiplatform.googleapis.com": "google",
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepinfra.com": "deepinfra",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.githubcopilot.com": "github-copilot",
    "api.groq.com": "groq",
    "api.hyperbolic.xyz": "hyperbolic",
    "api.minimax.io": "minimax",
    "api.minimaxi.com": "minimax",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.novita.ai": "novita",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.sambanova.ai": "sambanova",
    "api.studio.nebius.com": "nebius",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.voyageai.com": "voyageai",
    "api.x.ai": "x-ai",
    "api.z.ai": "zai",
    "codestral.mistral.ai": "mistral",
    "dashscope.aliyuncs.com": "alibaba",
    "dashscope-intl.aliyuncs.com": "alibaba",
    "generativelanguage.googleapis.com": "google",
    "inference.baseten.co": "baseten",
    "integrate.api.nvidia.com": "nvidia",
    "models.github.ai": "github",
    "ollama.com": "ollama",
    "open.bigmodel.cn": "zhipuai",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
}
_HOST_PATTERNS: Final = (
    (re.compile(r".+\.(?:openai|cognitiveservices|services\.ai|inference\.ai)\.azure\.com"), "azure"),
    (re.compile(r"[a-z0-9-]+-aiplatform\.googleapis\.com"), "google"),
    (re.compile(r"bedrock[a-z0-9.-]*\.amazonaws\.com(?:\.cn)?"), "aws"),
    (re.compile(r"[a-z]+\.api\.openai\.com"), "openai"),  # of a region
    (re.compile(r"api\.[a-z]+\.anthropic\.com"), "anthropic"),
    (re.compile(r"[a-z0-9]+\.openrouter\.ai"), "openrouter"),
)
# Models that their makers serve themselves. Open ones, which anybody may serve, tell nothing.
_MODELS: Final = (
    (
        r"(?:ft:)?(?:gpt-(?!oss|j|neo)|chatgpt-|o[134](?:-|$)|codex-|computer-use-|davinci-|babbage-|text-davinci-)",
        "openai",
    ),
    (r"(?:text-embedding-(?:3|ada)|dall-e-|tts-1|whisper-1$|omni-moderation-)", "openai"),
    (r"claude-", "anthropic"),
    (r"(?:models/)?gemini-", "google"),
    (
        r"(?:mistral-(?:large|medium|small|tiny|saba|embed|ocr|moderation)|open-mi[sx]tral-|pixtral-(?:large|12b))",
        "mistral",
    ),
    (r"(?:ministral-\d+b-|codestral-|magistral-|devstral-|voxtral-)", "mistral"),
    (r"deepseek-(?:chat|reasoner)$", "deepseek"),
    (r"grok-\d", "x-ai"),
    (r"(?:command(?:-[ranl]|$)|embed-(?:english|multilingual|v)|c4ai-)", "cohere"),
    (r"(?:[a-z]{2,4}\.)?(?:anthropic|amazon|meta|cohere|mistral|ai21)\.[a-z]", "aws"),  # ids of Bedrock's
    (r"sonar(?:-|$)", "perplexity"),
    (r"moonshot-v1", "moonshotai"),
    (r"voyage-", "voyageai"),
)
_MODEL: Final = re.compile("|".join(f"(?P<_{number}>{names})" for number, (names, _) in enumerate(_MODELS)))
# What gateways put before a model's name to say who shall serve it. Others, as in openai/gpt-4o, name its maker.
_PREFIXES: Final = {
    "azure": "azure",
    "bedrock": "aws",
    "cerebras": "cerebras",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together_ai": "together",
    "vertex_ai": "google",
    "xai": "x-ai",
}
NAME_CHARACTERS_MAX: Final = 256  # of hosts and models; longer ones are nobody's


class Provider(NamedTuple):
    name: str | None
    source: Literal["route", "host", "model"] | None


_UNKNOWN: Final = Provider(None, None)


def find_provider(route: str | None, authority: str, models: tuple[str | None, ...]) -> Provider:
    """`route`: as the configuration says; `authority`: upstream's; `models`: as asked, as served, or both."""
    if route is not None:
        return Provider(route, "route")
    if authority and len(authority) <= NAME_CHARACTERS_MAX:
        name = _by_host(authority)
        if name is not None:
            return Provider(name, "host")
    for model in models:
        name = _by_model(model) if model and len(model) <= NAME_CHARACTERS_MAX else None
        if name is not None:
            return Provider(name, "model")
    return _UNKNOWN


def authority_of(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


@lru_cache(1024)
def _by_host(authority: str) -> str | None:
    host = re.sub(r":\d*$", "", authority.rpartition("@")[2].lower()).rstrip(".")
    matched = (name for pattern, name in _HOST_PATTERNS if pattern.fullmatch(host))
    return _HOSTS.get(host) or next(matched, None)


@lru_cache(1024)
def _by_model(model: str) -> str | None:
    prefix, slash, _ = model.lower().partition("/")
    if slash and prefix in _PREFIXES:
        return _PREFIXES[prefix]
    match = _MODEL.match(model.lower().rpartition("/")[2])
    if match is None or match.lastgroup is None:
        return None
    return _MODELS[int(match.lastgroup[1:])][1]
