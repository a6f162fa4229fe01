"""commands/base_urls.py: the table of destinations, kinds of clients and base URLs."""

from dataclasses import replace
from pathlib import Path

import pytest

from commands.base_urls import base_url, server_url, variable_of, variables_for
from ingest_server.settings import IngestSettings
from recorder.settings import RecorderSettings, Route, TlsFiles

TABLE = [
    ("/lmstudio/", "http://127.0.0.1:1234/", "OPENAI_BASE_URL", "http://localhost:5601/lmstudio/v1"),
    ("/openai/", "https://api.openai.com/v1/", "OPENAI_BASE_URL", "http://localhost:5601/openai"),
    ("/openrouter/", "https://openrouter.ai/api/v1/", "OPENAI_BASE_URL", "http://localhost:5601/openrouter"),
    ("/a/b/", "https://gateway.example/llm/", "OPENAI_BASE_URL", "http://localhost:5601/a/b/v1"),
    ("/", "http://127.0.0.1:8000/", "OPENAI_BASE_URL", "http://localhost:5601/v1"),
    ("/anthropic/", "https://api.anthropic.com/", "ANTHROPIC_BASE_URL", "http://localhost:5601/anthropic"),
    (
        "/gemini/",
        "https://generativelanguage.googleapis.com/",
        "GOOGLE_GEMINI_BASE_URL",
        "http://localhost:5601/gemini",
    ),
    (
        "/g/",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "OPENAI_BASE_URL",
        "http://localhost:5601/g",
    ),
    ("/ollama/", "http://127.0.0.1:11434/", "OLLAMA_HOST", "http://localhost:5601/ollama"),
    ("/o/", "http://127.0.0.1:11434/v1/", "OPENAI_BASE_URL", "http://localhost:5601/o"),
    ("llm.localhost/x/", "http://127.0.0.1:1234/", "OPENAI_BASE_URL", "http://llm.localhost:5601/x/v1"),
    ("/exact", "http://127.0.0.1:1234/", "OPENAI_BASE_URL", None),
    ("/x/{$}", "http://127.0.0.1:1234/", "OPENAI_BASE_URL", None),
    ("POST /x/", "http://127.0.0.1:1234/", "OPENAI_BASE_URL", None),
]


@pytest.mark.parametrize(("pattern", "destination", "variable", "url"), TABLE)
def test_each_route_gets_the_variable_and_url_of_its_kind(
    pattern: str, destination: str, variable: str, url: str | None
) -> None:
    route = Route("name", pattern, destination)
    assert variable_of(route) == variable
    assert base_url(route, variable, RecorderSettings(), 5601) == url


TLS = TlsFiles(Path("cert.pem"), Path("key.pem"))
ROUTES = (
    Route("openai", "/openai/", "https://api.openai.com/v1/"),
    Route("lmstudio", "/lmstudio/", "http://127.0.0.1:1234/"),
    Route("ollama", "/ollama/", "http://127.0.0.1:11434/"),
)
SETTINGS = RecorderSettings(routes=ROUTES)


def test_a_command_gets_the_first_route_of_each_kind() -> None:
    assert variables_for(SETTINGS, None, 5601) == {
        "OPENAI_BASE_URL": "http://localhost:5601/openai",
        "OPENAI_API_BASE": "http://localhost:5601/openai",
        "OLLAMA_HOST": "http://localhost:5601/ollama",
    }


def test_a_chosen_route_goes_first() -> None:
    found = variables_for(replace(SETTINGS, host="::1"), ROUTES[1], 5601)
    assert found["OPENAI_BASE_URL"] == "http://[::1]:5601/lmstudio/v1"


def test_a_chosen_ollama_route_serves_openai_clients_too() -> None:
    found = variables_for(SETTINGS, ROUTES[2], 5601)
    assert found["OPENAI_BASE_URL"] == "http://localhost:5601/ollama/v1"
    assert found["OLLAMA_HOST"] == "http://localhost:5601/ollama"


def test_a_server_on_all_addresses_is_reached_as_localhost() -> None:
    for host in ("0.0.0.0", "::"):
        assert server_url(RecorderSettings(host=host), 1) == "http://localhost:1"
        assert server_url(IngestSettings(host=host), 1) == "http://localhost:1"


def test_a_listener_with_tls_is_called_by_https() -> None:
    settings = replace(SETTINGS, tls=TLS)
    assert variables_for(settings, None, 5601)["OPENAI_BASE_URL"] == "https://localhost:5601/openai"
    assert base_url(Route("x", "llm.localhost/x/", "http://h/"), "OPENAI_BASE_URL", settings, 1) == (
        "https://llm.localhost:1/x/v1"
    )
