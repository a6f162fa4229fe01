"""traffic/capture/vault.py: a secret opens for the upstream that it was sent to, with the key, for its owner alone."""

import sqlite3
from multiprocessing import get_context
from pathlib import Path

import pytest

from traffic.capture.vault import KeptSecret, Sighting, Vault, VaultError, origin_of

MARK, OTHER = "[secret:00000001]", "[secret:00000002]"
OPENAI, ELSEWHERE = "https://api.openai.com", "https://attacker.example"
SECRET = b"sk-4242424242"


def sighting(
    placeholder: str = MARK, origin: str = OPENAI, secret: bytes = SECRET, at_s: int = 1_000, found_in: str = "a"
) -> Sighting:
    return Sighting(placeholder, origin, found_in, secret, at_s)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "state" / "vault.sqlite", tmp_path / "config" / "vault.key")


@pytest.fixture
def files(vault: Vault) -> Path:
    """The folder of both, with a secret in them."""
    vault.keep([sighting()])
    return vault.file.parent.parent


def test_a_secret_opens_for_the_origin_that_it_was_sent_to_and_for_no_other(vault: Vault) -> None:
    vault.keep([sighting()])
    assert vault.secret_of(MARK, OPENAI) == SECRET
    assert vault.secret_of(MARK, ELSEWHERE) is None
    assert vault.secret_of(OTHER, OPENAI) is None


def test_without_the_file_nothing_is_kept_and_asking_makes_none(vault: Vault) -> None:
    assert (vault.secret_of(MARK, OPENAI), vault.kept(), vault.forget(None)) == (None, [], 0)
    assert not vault.file.parent.exists()


def test_a_secret_is_kept_once_with_where_it_was_found_first_and_when_it_was_last_seen(vault: Vault) -> None:
    vault.keep([sighting(at_s=1_000, found_in="a"), sighting(OTHER, at_s=1_500)])
    vault.keep([sighting(at_s=2_000, found_in="b")])
    assert vault.kept() == [KeptSecret(MARK, OPENAI, "a", 1_000, 2_000), KeptSecret(OTHER, OPENAI, "a", 1_500, 1_500)]


def test_the_secrets_not_seen_for_longest_go_when_there_are_too_many(vault: Vault) -> None:
    vault.keep([sighting(f"[secret:{number:08x}]", at_s=number) for number in range(5)], secrets_max=3)
    assert [secret.last_seen_s for secret in vault.kept()] == [4, 3, 2]


def test_neither_file_holds_the_secret_and_both_are_their_owners_alone(files: Path) -> None:
    found = {path.name: path for path in files.rglob("*") if path.is_file()}
    assert sorted(found) == ["vault.key", "vault.sqlite"]
    assert all(SECRET not in path.read_bytes() for path in found.values())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in found.values())


@pytest.mark.parametrize("name", ["state/vault.sqlite", "config/vault.key"])
def test_a_file_that_others_may_open_is_refused(vault: Vault, files: Path, name: str) -> None:
    path = files / name
    path.chmod(0o640)
    text = f"{path} is open to other users; `chmod 600 {path}` closes it"
    with pytest.raises(VaultError) as raised:
        vault.secret_of(MARK, OPENAI)
    assert str(raised.value) == text
    with pytest.raises(VaultError) as raised:
        vault.keep([sighting()])
    assert str(raised.value) == text


def test_without_its_key_the_vault_says_what_to_do(vault: Vault, files: Path) -> None:
    vault.key_file.unlink()
    with pytest.raises(VaultError) as raised:
        vault.secret_of(MARK, OPENAI)
    assert str(raised.value) == (
        f"{files}/config/vault.key is missing: without this key nothing in {files}/state/vault.sqlite opens; bring it "
        "back, or `recorder vault forget --all`"
    )


def test_another_key_opens_nothing_until_the_secret_has_passed_again(vault: Vault, files: Path) -> None:
    vault.key_file.write_bytes(b"k" * 32)
    with pytest.raises(VaultError) as raised:
        vault.secret_of(MARK, OPENAI)
    assert str(raised.value) == (
        f"{MARK} in {files}/state/vault.sqlite does not open with the key in {files}/config/vault.key: it was sealed "
        "with another one, or changed"
    )
    vault.keep([sighting(at_s=2_000)])
    assert vault.secret_of(MARK, OPENAI) == SECRET


@pytest.mark.parametrize("key", [b"", b"k" * 31])
def test_a_key_that_was_cut_is_told_to_who_reads_and_to_who_writes(vault: Vault, files: Path, key: bytes) -> None:
    vault.key_file.write_bytes(key)
    text = (
        f"{files}/config/vault.key is damaged: it holds {len(key)} bytes, and a key has 32; bring the key back, or "
        "delete it and `recorder vault forget --all`"
    )
    with pytest.raises(VaultError) as read:
        vault.secret_of(MARK, OPENAI)
    with pytest.raises(VaultError) as written:
        vault.keep([sighting(OTHER)])
    assert [str(read.value), str(written.value)] == [text, text]


@pytest.mark.usefixtures("files")
def test_a_changed_vault_sends_no_secret_elsewhere(vault: Vault) -> None:
    """The seal holds the origin: who can write the file cannot bind a secret to another host."""
    with sqlite3.connect(vault.file) as connection:
        connection.execute("UPDATE secrets SET origin = ?", (ELSEWHERE,))
    connection.close()
    with pytest.raises(VaultError):
        vault.secret_of(MARK, ELSEWHERE)


@pytest.mark.usefixtures("files")
def test_what_is_forgotten_is_gone_from_the_file(vault: Vault) -> None:
    vault.keep([sighting(OTHER), sighting(MARK, ELSEWHERE)])
    assert vault.forget([MARK]) == 2
    assert [secret.placeholder for secret in vault.kept()] == [OTHER]
    assert MARK.encode() not in vault.file.read_bytes()
    assert vault.forget(None) == 1
    assert OTHER.encode() not in vault.file.read_bytes()


@pytest.mark.parametrize(
    ("damage", "text"),
    [(b"x" * 5_000, "file is not a database"), (None, "Is a directory")],
)
def test_a_damaged_vault_is_an_error_that_names_it(vault: Vault, damage: bytes | None, text: str) -> None:
    vault.file.parent.mkdir()
    if damage is None:
        vault.file.mkdir(mode=0o700)
    else:
        vault.file.write_bytes(damage)
        vault.file.chmod(0o600)
    with pytest.raises(VaultError) as raised:
        vault.keep([sighting()])
    assert str(raised.value) == f"{vault.file}: {text}"


def keep_many(vault: Vault, process: int) -> None:
    for number in range(20):
        vault.keep([sighting(f"[secret:{process:04x}{number:04x}]")])


def test_two_recorders_may_write_at_once(vault: Vault) -> None:
    """Both find no files at first, so that both make them."""
    context = get_context("spawn")
    processes = [context.Process(target=keep_many, args=(vault, number)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert {vault.secret_of(secret.placeholder, OPENAI) for secret in vault.kept()} == {SECRET}
    assert len(vault.kept()) == 40


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.openai.com/v1/chat?key=x", "https://api.openai.com"),
        ("https://api.openai.com:443", "https://api.openai.com"),
        ("http://127.0.0.1:1234/v1", "http://127.0.0.1:1234"),
        ("http://[::1]:80/", "http://[::1]"),
        ("http://user:password@h:8000", "http://h:8000"),
        ("http://bücher.example/", "http://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_written_in_one_way(url: str, origin: str) -> None:
    assert origin_of(url) == origin
