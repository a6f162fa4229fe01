"""What lies in `log_dir` after a test, checked for what holds of every recording."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

import traffic.capture.metadata

_SCHEMA = json.loads(Path(traffic.capture.metadata.__file__).with_name("metadata.schema.json").read_text())
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)


@dataclass(frozen=True, slots=True)
class Recorded:
    stem: str
    request: bytes
    response: bytes
    metadata: dict[str, Any]

    @property
    def error(self) -> tuple[str, str, str] | None:
        """Name, phase, by."""
        found = self.metadata["error"]
        return None if found is None else (found["name"], found["phase"], found["by"])

    @property
    def proxy_path(self) -> str:
        """The value of the line that the recorder added."""
        head = self.request.partition(b"\r\n\r\n")[0]
        name, _, value = head.rpartition(b"\r\n")[2].partition(b": ")
        assert name == b"X-Proxy-Path"
        return value.decode("latin-1")

    @property
    def sent_request(self) -> bytes:
        """The request without that line."""
        head, end, body = self.request.partition(b"\r\n\r\n")
        return head.rpartition(b"\r\n")[0] + end + body

    def arrivals(self, side: str) -> list[int]:
        return [offset for offset, _ in self.metadata[side]["arrivals"]]


def load(log_dir: Path) -> list[Recorded]:
    """All recordings, oldest first: three files each, counts and hashes right, metadata as the schema says."""
    metadata = sorted(log_dir.glob("*_metadata.json"))
    stems = [path.name.removesuffix("_metadata.json") for path in metadata]
    expected = {stem + end for stem in stems for end in ("_metadata.json", "_request.bin", "_response.bin")}
    found = {path.name for path in log_dir.iterdir() if path.name.startswith("2")}
    assert found == expected
    records = [_load(log_dir, stem) for stem in stems]
    return sorted(records, key=lambda record: str(record.metadata["started_at"]))


def _load(log_dir: Path, stem: str) -> Recorded:
    text = (log_dir / f"{stem}_metadata.json").read_text()
    metadata: dict[str, Any] = json.loads(text)
    _VALIDATOR.validate(metadata)
    sides = []
    for side in ("request", "response"):
        data = (log_dir / f"{stem}_{side}.bin").read_bytes()
        assert metadata[side]["bytes"] == len(data)
        assert metadata[side]["sha256"] == hashlib.sha256(data).hexdigest()
        offsets = [offset for offset, _ in metadata[side]["arrivals"]]
        times = [at_ms for _, at_ms in metadata[side]["arrivals"]]
        assert offsets == sorted(set(offsets))
        assert offsets[:1] == ([0] if data else [])
        assert times == sorted(times)
        sides.append(data)
    assert stem.endswith(metadata["id"][:8])
    return Recorded(stem, sides[0], sides[1], metadata)
