"""Keys that let a client or a recorder in: how they are kept (hashed, never as they are) and compared.

A key is 16 or more visible ASCII characters, long and random; that is why one round of SHA-256 hides it. Only its hash
stays in memory. Every comparison takes the same time, whichever key matches and whether one does. No message shows a
key. Called by the configuration's loader, `recorder hash-key`, and both services for each request.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final, Self

KEY_CHARACTERS_MIN: Final = 16
_HASHED: Final = "sha256:"
_is_digest = re.compile(r"[0-9a-f]{64}").fullmatch
_is_visible_ascii = re.compile(r"[!-~]*").fullmatch


def check_key(key: str) -> None:
    """Raises ValueError for what can't serve as a key."""
    if len(key) < KEY_CHARACTERS_MIN:
        raise ValueError(
            f"a key has at least {KEY_CHARACTERS_MIN} characters; `recorder hash-key --generate` makes a good one"
        )
    if key.startswith(_HASHED):
        raise ValueError(f"a key does not begin with {_HASHED}, which marks the hash of one")
    if not _is_visible_ascii(key):
        raise ValueError("a key holds visible ASCII characters only: it travels in a header")


def hash_key(key: str) -> str:
    """`sha256:` and 64 hex digits: what a configuration may hold in the key's place."""
    return _HASHED + hashlib.sha256(key.encode("latin-1")).hexdigest()


def is_hashed(value: str) -> bool:
    """Whether a configuration's value is the hash of a key."""
    return value.startswith(_HASHED)


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    digest: bytes = field(repr=False)  # SHA-256, 32 bytes

    @classmethod
    def parse(cls, name: str, value: str) -> Self:
        """From the key itself or its hash. Raises ValueError."""
        if not value.startswith(_HASHED):
            check_key(value)
            value = hash_key(value)
        digits = value.removeprefix(_HASHED)
        if not _is_digest(digits):
            raise ValueError("the hash of a key is sha256: and 64 hex digits, as `recorder hash-key` prints it")
        return cls(name, bytes.fromhex(digits))


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys that open one door; false where there are none."""

    keys: tuple[Key, ...] = ()

    def match(self, candidate: bytes) -> str | None:
        """The name of the key that `candidate` is; None: of none."""
        digest = hashlib.sha256(candidate).digest()
        name = None
        for key in self.keys:  # all of them, always
            if hmac.compare_digest(key.digest, digest):
                name = key.name
        return name

    def __bool__(self) -> bool:
        return bool(self.keys)
