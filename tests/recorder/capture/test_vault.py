"""recorder/capture/vault.py: what is kept, how often it is written, and what a failing vault costs."""

import logging
import time
from pathlib import Path

import pytest

from recorder.capture import vault as module
from recorder.capture.vault import SECRET_BYTES_MAX, VaultKeeper
from tests.e2e.scripted import until
from traffic.capture.redact import Redactor
from traffic.capture.vault import Sighting, Vault

ORIGIN = "https://api.openai.com"
KEY = b"k" * 32


def placeholder(secret: bytes) -> str:
    return Redactor(KEY).placeholder(secret).decode()


class Noticing(Vault):
    """A vault that also remembers what it was given, in which batches."""

    given: list[list[Sighting]]

    def keep(self, sightings: list[Sighting], secrets_max: int = 10) -> None:  # type: ignore[override]  # the keeper gives lists
        super().keep(sightings, secrets_max)
        self.given.append(sightings)


@pytest.fixture
def vault(tmp_path: Path) -> Noticing:
    noticing = Noticing(tmp_path / "state" / "vault.sqlite", tmp_path / "config" / "vault.key")
    object.__setattr__(noticing, "given", [])
    return noticing


def head(secret: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nAuthorization: Bearer %b\r\n\r\n" % secret


def test_each_secret_of_requests_is_written_once(vault: Noticing) -> None:
    keeper = VaultKeeper(vault, KEY)
    redactor = keeper.redactor_for(ORIGIN)
    for _ in range(3):
        redactor.head(head(b"sk-1"), "request")
    redactor.head(b"HTTP/1.1 200 OK\r\nSet-Cookie: b=2\r\n\r\n", "response")
    keeper.stop(10)
    assert [each.placeholder for batch in vault.given for each in batch] == [placeholder(b"sk-1")]
    assert vault.secret_of(placeholder(b"sk-1"), ORIGIN) == b"sk-1"


def test_a_placeholder_that_is_sent_again_is_no_secret(vault: Noticing) -> None:
    keeper = VaultKeeper(vault, KEY)
    keeper.redactor_for(ORIGIN).head(head(b"[secret:0123abcd]"), "request")
    keeper.stop(10)
    assert vault.given == []


def test_what_passes_again_after_an_hour_is_seen_again(vault: Noticing, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((1_000_000.0, 1_003_599.0, 1_003_600.0))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    keeper = VaultKeeper(vault, KEY)
    for _ in range(3):
        keeper.redactor_for(ORIGIN).head(head(b"sk-1"), "request")
    keeper.stop(10)
    assert [(secret.first_seen_s, secret.last_seen_s) for secret in vault.kept()] == [(1_000_000, 1_003_600)]


def test_what_is_far_longer_than_a_credential_is_not_kept(vault: Noticing) -> None:
    keeper = VaultKeeper(vault, KEY)
    keeper.redactor_for(ORIGIN).head(head(b"x" * (SECRET_BYTES_MAX + 1)), "request")
    keeper.stop(10)
    assert vault.given == []


async def test_a_vault_that_fails_is_told_of_once_and_tried_again(
    vault: Noticing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    vault.file.parent.write_bytes(b"")  # where a folder should be
    keeper = VaultKeeper(vault, KEY)
    redactor = keeper.redactor_for(ORIGIN)
    known = placeholder(b"sk-1"), ORIGIN
    for _ in range(2):
        keeper._due_s.clear()
        redactor.head(head(b"sk-1"), "request")
        await until(lambda: keeper._due_s[known] <= time.time(), "it failed, and is to be tried again")
    text = f"{vault.file.parent}: File exists"
    assert keeper.failure == text
    vault.file.parent.unlink()
    redactor.head(head(b"sk-1"), "request")
    keeper.stop(10)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        f"the vault keeps no secrets: {text}; recordings go on without"
    ]
    assert keeper.failure is None
    assert [secret.placeholder for secret in vault.kept()] == [placeholder(b"sk-1")]
