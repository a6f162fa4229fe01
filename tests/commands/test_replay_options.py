"""commands/replay_options.py: what the configuration says of a replay."""

from pathlib import Path

import pytest

from commands.config_file import load_config
from commands.replay_options import preparation_of
from replay.destination import Configured, Taken, Wish
from replay.edits import Edits

ROUTES = 'routes: {openai: {pattern: /openai/, destination: "https://api.openai.com/v1/", key: sk-route}}\n'


def configured(text: str) -> Configured:
    Path("config.yaml").write_text(text)
    return preparation_of(load_config(None, {}), Wish(), Edits()).configured


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_recorders_address_is_that_of_the_file_where_there_is_one_that_tells_it() -> None:
    assert configured("server: {port: 7000}\n" + ROUTES).recorder_url == "http://localhost:7000"
    assert configured('server: {host: "::1", port: 7000}\n' + ROUTES).recorder_url == "http://[::1]:7000"
    assert configured("server: {port: 0}\n" + ROUTES).recorder_url is None
    Path("config.yaml").unlink()
    assert preparation_of(load_config(None, {}), Wish(), Edits()).configured.recorder_url is None


def test_what_a_path_leads_to_is_what_the_recorder_would_make_of_it() -> None:
    """Also below /proxy/: a recording that names a port there gets no key of the host that it says it went to."""
    taking = configured("server: {dynamic_ports: [11434]}\n" + ROUTES).taking
    for path, taken in (
        (b"/openai/chat/completions", Taken("https://api.openai.com/v1/", b"chat/completions", "openai")),
        (b"/proxy/11434/api/chat", Taken("http://127.0.0.1:11434/", b"api/chat")),
        (b"/proxy/6666/v1/chat", None),
        (b"/openai", None),
        (b"/health", None),
        (b"/other/", None),
    ):
        assert taking("POST", b"localhost:5601", path) == taken


def test_a_routes_key_is_among_the_credentials() -> None:
    Path("config.yaml").write_text(ROUTES)
    credentials = preparation_of(load_config(None, {}), Wish(), Edits()).credentials
    assert credentials.route_keys == {"openai": "sk-route"}
    assert credentials.destinations == {"openai": "https://api.openai.com/v1/"}
