"""The decoder that the configuration asks for, and the fingerprint by which the index knows what it has decoded.

Made by the indexer's process for the index, and by the server for the API.
"""

import hashlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import msgspec

from ingest_server.settings import IndexSettings
from traffic.llm.decode import Decoder
from traffic.llm.registry import find_dialects


class Decoding(NamedTuple):
    decoder: Decoder
    fingerprint: str  # another one may decode the same files differently


def find_decoding(settings: IndexSettings, warn: Callable[[str], None]) -> Decoding:
    """`warn` is told what is wrong with decoders that packages register."""
    registry = find_dialects(warn)
    parts = (
        _version("llm-flight-recorder"),
        _version("genai-prices"),
        registry.registered,
        [dialect.name for dialect in registry.dialects],
        sorted(settings.prices.items()),
    )
    digest = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:12]
    return Decoding(Decoder(registry.dialects), f"{parts[0]} {digest}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "0"  # from a checkout
