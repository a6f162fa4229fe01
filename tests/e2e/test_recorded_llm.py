"""The pytest plugin, the openai and anthropic SDKs, and a real llama.cpp server that only the first run can reach."""

import importlib
import json
from pathlib import Path

import pytest

TESTS = """
import json, os
import anthropic, openai, pytest

MESSAGES = [{"role": "user", "content": "Say something. Grüße!"}]

def write(name, objects):
    with open(os.environ["OUT"] + name, "w") as file:
        json.dump([each.model_dump(mode="json") for each in objects], file)

@pytest.mark.recording("openai")
def test_openai():
    with openai.OpenAI(max_retries=0) as client:
        chunks = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=16, stream=True)
        write("openai", [*chunks, client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=8)])

@pytest.mark.recording("anthropic")
def test_anthropic(recorded_llm):
    with anthropic.Anthropic(base_url=recorded_llm.url("anthropic"), max_retries=0) as client:
        with client.messages.stream(model="tiny", messages=MESSAGES, max_tokens=16) as stream:
            write("anthropic", list(stream))
"""


def test_the_sdks_get_the_same_objects_from_the_recording_as_from_the_server(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, llama_port: int
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "sk-test")
    pytester.makepyfile(test_sdks=TESTS)
    for name in ("openai", "anthropic"):
        importlib.import_module(name)  # else each run of pytest would do it again

    def run(port: int, *arguments: str) -> dict[str, list[object]]:
        monkeypatch.setenv("OUT", str(pytester.path / f"{port}-"))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{port}")
        pytester.runpytest_inprocess("-p", "recorded_llm.plugin", *arguments).assert_outcomes(passed=2)
        return {
            name: json.loads(Path(f"{pytester.path}/{port}-{name}").read_text()) for name in ("openai", "anthropic")
        }

    recorded = run(llama_port)
    assert all(len(objects) > 3 for objects in recorded.values())
    assert run(1, "--recording=none") == recorded
