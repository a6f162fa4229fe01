"""The vault: secrets that redaction replaced, sealed, so that their owner can send a recording again.

    file        SQLite: placeholder, origin, where it was found and when, in plain; the secret sealed by AES-256-GCM
    key_file    32 random bytes; in another folder, so that whoever gets a copy of the one has not got the other

Rules: a secret opens for the origin (`https://api.openai.com`) that it was sent to, and for no other: a recording that
somebody made up can send it nowhere else. The seal binds placeholder and origin. Files that other users may open are
refused. Any number of processes may use it at once. The recorder's keeper writes; replay and `recorder vault` read.
"""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from .key_file import KEY_BYTES, load_key

if TYPE_CHECKING:
    import sqlite3

SECRETS_MAX: Final = 10_000  # those not seen for longest go first
_BUSY_S: Final = 10.0  # to wait for another process that writes
_NONCE_BYTES: Final = 12
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_TABLE = """CREATE TABLE IF NOT EXISTS secrets (
    placeholder TEXT, origin TEXT, found_in TEXT, first_seen_s INTEGER, last_seen_s INTEGER, sealed BLOB,
    PRIMARY KEY (placeholder, origin)
)"""
_KEEP = """INSERT INTO secrets VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (placeholder, origin)
    DO UPDATE SET last_seen_s = excluded.last_seen_s, sealed = excluded.sealed"""
_LIMIT = "DELETE FROM secrets WHERE rowid IN (SELECT rowid FROM secrets ORDER BY last_seen_s DESC LIMIT -1 OFFSET ?)"


class VaultError(Exception):
    """Why the vault cannot be used; the text says what to do."""


class Sighting(NamedTuple):
    """A secret on its way to an upstream."""

    placeholder: str
    origin: str
    found_in: str  # "request.header.authorization", as in Redaction.where
    secret: bytes
    at_s: int  # since the epoch


class KeptSecret(NamedTuple):
    """What may be shown of one."""

    placeholder: str
    origin: str
    found_in: str  # at first
    first_seen_s: int
    last_seen_s: int


def origin_of(url: str) -> str:
    """`https://api.openai.com` of an http(s) URL: the port only where it is not the scheme's own. Raises ValueError."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode()
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


@dataclass(frozen=True, slots=True)
class Vault:
    """Each method raises VaultError."""

    file: Path
    key_file: Path

    def keep(self, sightings: Iterable[Sighting], secrets_max: int = SECRETS_MAX) -> None:
        """Makes both files where they are not there."""
        with self._open(makes_it=True) as connection:
            load_key(self.key_file)
            key = self._key()
            rows = [
                (each.placeholder, each.origin, each.found_in, each.at_s, each.at_s, _seal(key, each))
                for each in sightings
            ]
            connection.executemany(_KEEP, rows)
            connection.execute(_LIMIT, (secrets_max,))

    def secret_of(self, placeholder: str, origin: str) -> bytes | None:
        """What the placeholder stands for, if that was sent to `origin` (see origin_of); None: it was not, or it is not
        kept. In a URL it has to be percent-encoded again.
        """
        if not self.file.exists():
            return None
        with self._open() as connection:
            question = "SELECT sealed FROM secrets WHERE placeholder = ? AND origin = ?"
            row = connection.execute(question, (placeholder, origin)).fetchone()
            if row is None:
                return None
            if not self.key_file.exists():
                text = f"{self.key_file} is missing: without this key nothing in {self.file} opens"
                raise VaultError(f"{text}; bring it back, or `recorder vault forget --all`")
            return self._unsealed(row[0], placeholder, origin)

    def kept(self) -> list[KeptSecret]:
        """Those used last first."""
        if not self.file.exists():
            return []
        with self._open() as connection:
            columns = ", ".join(KeptSecret._fields)
            order = "ORDER BY last_seen_s DESC, placeholder, origin"
            return [KeptSecret(*row) for row in connection.execute(f"SELECT {columns} FROM secrets {order}")]  # noqa: S608 (names of columns)

    def forget(self, placeholders: Sequence[str] | None) -> int:
        """None: all. How many were there."""
        if not self.file.exists():
            return 0
        with self._open() as connection:
            if placeholders is None:
                return connection.execute("DELETE FROM secrets").rowcount
            rows = [(placeholder,) for placeholder in placeholders]
            return connection.executemany("DELETE FROM secrets WHERE placeholder = ?", rows).rowcount

    @contextmanager
    def _open(self, *, makes_it: bool = False) -> "Iterator[sqlite3.Connection]":
        """A transaction, done at the end unless something is raised."""
        import sqlite3  # noqa: PLC0415 for vaults alone

        try:
            if makes_it:
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
            _check_is_private(self.file)
            with closing(sqlite3.connect(self.file, timeout=_BUSY_S)) as connection, connection:
                connection.execute("PRAGMA secure_delete = ON")  # what goes is overwritten
                connection.execute(_TABLE)
                yield connection
        except OSError as error:
            raise VaultError(f"{error.filename or self.file}: {error.strerror}") from None
        except sqlite3.Error as error:
            raise VaultError(f"{self.file}: {error}") from None

    def _key(self) -> bytes:
        _check_is_private(self.key_file)
        key = self.key_file.read_bytes()
        if len(key) != KEY_BYTES:
            text = f"{self.key_file} is damaged: it holds {len(key):,} bytes, and a key has {KEY_BYTES}"
            raise VaultError(f"{text}; bring the key back, or delete it and `recorder vault forget --all`")
        return key

    def _unsealed(self, sealed: bytes, placeholder: str, origin: str) -> bytes:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 heavy, and for vaults alone
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        cipher = AESGCM(self._key())
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(placeholder, origin))
        except InvalidTag:
            text = f"{placeholder} in {self.file} does not open with the key in {self.key_file}"
            raise VaultError(f"{text}: it was sealed with another one, or changed") from None


def _seal(key: bytes, sighting: Sighting) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 heavy, and for vaults alone

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, sighting.secret, _bound_to(sighting.placeholder, sighting.origin))


def _bound_to(placeholder: str, origin: str) -> bytes:
    return f"{placeholder} {origin}".encode()


def _check_is_private(path: Path) -> None:
    if os.name != "posix":
        return
    status = path.stat()
    if status.st_uid != os.getuid():
        raise VaultError(f"{path} belongs to another user; a vault is its owner's alone")
    if status.st_mode & 0o077:
        raise VaultError(f"{path} is open to other users; `chmod 600 {path}` closes it")
