"""Files that hold a random key: of the redaction's hash (redact.py) and of the vault (vault.py)."""

import os
import secrets
from pathlib import Path
from typing import Final

KEY_BYTES: Final = 32


def load_key(path: Path) -> bytes:
    """The bytes in the file, made there (0600) by whoever comes first."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())  # what is sealed or hashed by it outlives a power cut, and so shall it
        try:
            os.link(fresh, path)  # never replaces the key that another process has just made
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()
