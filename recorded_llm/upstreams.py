"""Whom a test may talk to: routes by name, the base URL that a client would take without us, and its variables.

A client's base URL becomes `http://127.0.0.1:PORT/NAME`, and what it puts behind that goes behind the upstream's.
Called by session.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Upstream:
    base_url: str
    variables: tuple[str, ...] = ()  # in which SDKs look for the base URL
    key: str = ""  # the variable in which they look for the API key; without one some refuse to start


UPSTREAMS: Final = {
    "openai": Upstream("https://api.openai.com/v1", ("OPENAI_BASE_URL", "OPENAI_API_BASE"), "OPENAI_API_KEY"),
    "anthropic": Upstream("https://api.anthropic.com", ("ANTHROPIC_BASE_URL",), "ANTHROPIC_API_KEY"),
    "gemini": Upstream("https://generativelanguage.googleapis.com", ("GOOGLE_GEMINI_BASE_URL",), "GEMINI_API_KEY"),
    "openrouter": Upstream("https://openrouter.ai/api/v1", (), "OPENROUTER_API_KEY"),
    "ollama": Upstream("http://127.0.0.1:11434", ("OLLAMA_HOST",)),
    "lmstudio": Upstream("http://127.0.0.1:1234/v1"),
}


def base_urls(given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Where each route goes: as the test's mark says, else as the environment says, else to the provider."""
    urls = {}
    for name, upstream in UPSTREAMS.items():
        url = next((environ[variable] for variable in upstream.variables if environ.get(variable)), upstream.base_url)
        urls[name] = url if "://" in url else f"http://{url}"  # OLLAMA_HOST may be a host alone
    return {**urls, **given}
