"""`recorder vault list` and `forget`, as a user runs them."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from commands.vault import vault_command
from traffic.capture.vault import Sighting, Vault

CONFIG = "capture: {vault: true, vault_file: state/vault.sqlite, vault_key_file: config/vault.key}\n"
FIRST_S, LAST_S = 1_600_000_000, 1_700_000_000


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """With two secrets, one of which went to two hosts; its configuration lies here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONFIG_PATH", raising=False)
    (tmp_path / "config.yaml").write_text(CONFIG)
    vault = Vault(tmp_path / "state" / "vault.sqlite", tmp_path / "config" / "vault.key")
    where = "request.header.authorization"
    vault.keep(
        [
            Sighting("[secret:00000001]", "https://api.openai.com", where, b"sk-4242", FIRST_S),
            Sighting("[secret:00000002]", "http://127.0.0.1:1234", "request.query.key", b"sk-4242", FIRST_S + 60),
            Sighting("[secret:00000001]", "https://openrouter.ai", where, b"sk-4242", LAST_S),
        ]
    )
    return vault


def run(*arguments: str) -> Result:
    return CliRunner().invoke(vault_command, arguments)


@pytest.mark.usefixtures("vault")
def test_the_list_says_where_each_secret_went_and_when_and_never_what_it_is() -> None:
    first, later, last = "2020-09-13T12:26:40.000000Z", "2020-09-13T12:27:40.000000Z", "2023-11-14T22:13:20.000000Z"
    field = "request.header.authorization"
    assert [line.split("  ") for line in re.sub("   +", "  ", run("list").stdout).splitlines()] == [
        ["placeholder", "sent to", "found in", "first (UTC)", "last (UTC)"],
        ["[secret:00000001]", "https://openrouter.ai", field, last, last],
        ["[secret:00000002]", "http://127.0.0.1:1234", "request.query.key", later, later],
        ["[secret:00000001]", "https://api.openai.com", field, first, first],
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [(CONFIG, ""), (CONFIG.replace("true", "false"), "; capture.vault: true makes the recorder keep secrets")],
)
def test_an_empty_vault_says_so_and_how_to_fill_it(vault: Vault, tmp_path: Path, text: str, hint: str) -> None:
    vault.forget(None)
    (tmp_path / "config.yaml").write_text(text)
    result = run("list")
    assert (result.stdout, result.stderr, result.exit_code) == ("", f"the vault state/vault.sqlite is empty{hint}\n", 0)


@pytest.mark.parametrize(
    ("arguments", "text", "left"),
    [
        (["[secret:00000002]"], "1 forgotten", 2),
        (["00000001"], "2 forgotten", 1),
        (["00000001", "[secret:00000002]"], "3 forgotten", 0),
        (["--all"], "3 forgotten", 0),
    ],
)
def test_placeholders_are_forgotten_with_every_host_that_they_went_to(
    vault: Vault, arguments: Sequence[str], text: str, left: int
) -> None:
    result = run("forget", *arguments)
    assert (result.output, result.exit_code) == (f"{text}\n", 0)
    assert len(vault.kept()) == left


def test_a_placeholder_that_is_not_kept_is_a_mistake_and_nothing_is_forgotten(vault: Vault) -> None:
    result = run("forget", "00000001", "sk-4242")
    assert (result.output, result.exit_code) == (
        "Error: [secret:sk-4242]: not in the vault state/vault.sqlite; `recorder vault list` shows what is\n",
        1,
    )
    assert len(vault.kept()) == 3


@pytest.mark.parametrize("arguments", [[], ["--all", "00000001"]])
def test_forget_wants_either_placeholders_or_all(vault: Vault, arguments: Sequence[str]) -> None:
    result = run("forget", *arguments)
    assert result.exit_code == 2
    assert "Error: name the placeholders to forget, or give --all" in result.output
    assert len(vault.kept()) == 3


def test_a_vault_that_others_may_open_is_an_error(vault: Vault) -> None:
    vault.file.chmod(0o644)
    result = run("list")
    assert (
        result.output == "Error: state/vault.sqlite is open to other users; `chmod 600 state/vault.sqlite` closes it\n"
    )
    assert result.exit_code == 1
