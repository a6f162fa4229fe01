"""What a recorder would send: frames of exchanges, as bytes. And what the files say of them afterwards."""

import json
import uuid
from hashlib import sha256
from pathlib import Path

import jsonschema

from traffic.capture import events, metadata
from traffic.capture.events import ExchangeError, Finished, Gap, Received, Started
from traffic.capture.frames import Kind, encode_frame

SCHEMA = json.loads(Path(metadata.__file__).with_name("metadata.schema.json").read_text())
JOURNAL = "11111111-2222-4333-8444-555555555555"
STARTED_NS = 1_789_265_469_123_456_789  # 2026-09-13 02:11:09.123456789 UTC
REQUEST = b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def exchange_id(number: int) -> str:
    return str(uuid.UUID(int=(number << 96) + 0x1111_4000_8000_0000_0000_0000 + number))


def frame(kind: int, number: int, payload: bytes, offset: int = 0, at_us: int = 0) -> bytes:
    return b"".join(encode_frame(kind, number, offset, at_us, [payload]))


def started(number: int, *, exchange: str | None = None, at_ns: int = STARTED_NS) -> bytes:
    facts = Started(
        exchange or exchange_id(number),
        at_ns,
        "lmstudio",
        "/lmstudio/",
        "POST",
        "http://localhost:5601/lmstudio/v1/models",
        "http://127.0.0.1:1234/v1/models",
        "127.0.0.1:50123",
        Received("POST /lmstudio/v1/models HTTP/1.1", "localhost:5601", []),
    )
    return frame(Kind.STARTED, number, events.encode(facts))


def request(number: int, data: bytes = REQUEST, offset: int = 0) -> bytes:
    return frame(Kind.REQUEST, number, data, offset, 10 + offset)


def response(number: int, data: bytes = RESPONSE, offset: int = 0) -> bytes:
    return frame(Kind.RESPONSE, number, data, offset, 2000 + offset)


def finished(
    number: int,
    *,
    request_bytes: int = len(REQUEST),
    response_bytes: int = len(RESPONSE),
    error: ExchangeError | None = None,
) -> bytes:
    facts = Finished(error is None, error, "upstream", 100, 2000, 2500, request_bytes, response_bytes, 0, [])
    return frame(Kind.FINISHED, number, events.encode(facts))


def gap(first: int, last: int, lost_bytes: int = 7) -> bytes:
    return frame(Kind.GAP, 0, events.encode(Gap(first, last, last - first + 1, lost_bytes, "journal_full")))


def closed(reason: str = "shutdown") -> bytes:
    return frame(Kind.CLOSED, 0, reason.encode())


def whole(number: int) -> bytes:
    return started(number) + request(number) + response(number) + finished(number)


def recordings(folder: Path) -> dict[str, bytes]:
    """All files of a log_dir, the server's own state aside."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".ingest" not in path.parts
    }


def described(folder: Path, number: int) -> dict[str, object]:
    """The metadata of an exchange, valid by the schema, its counts and hashes true of its files."""
    return described_as(folder, exchange_id(number))


def described_as(folder: Path, exchange: str) -> dict[str, object]:
    for path in folder.rglob("*_metadata.json"):
        facts: dict[str, object] = json.loads(path.read_bytes())
        if facts["id"] == exchange:
            jsonschema.Draft202012Validator(SCHEMA).validate(facts)
            for side in ("request", "response"):
                part = facts[side]
                assert isinstance(part, dict)
                if part["sha256"] is not None:
                    data = path.with_name(path.name.replace("_metadata.json", f"_{side}.bin")).read_bytes()
                    assert part["bytes"] == len(data)
                    assert part["sha256"] == sha256(data).hexdigest()
            return facts
    raise AssertionError(f"no metadata for {exchange}")


def gap_lines(folder: Path) -> list[dict[str, object]]:
    path = folder / "gaps.ndjson"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
