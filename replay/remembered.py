"""Recorded exchanges that wait for their replays, to be compared with them: in memory while they are small, else in a
temporary file. Called by `recorder replay --diff`.
"""

import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

from traffic.capture import metadata
from traffic.capture.exchange import RecordedExchange

_MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024


class Remembered:
    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES_MAX)  # noqa: SIM115 closed by close()
        self._places: dict[str, tuple[int, tuple[int, int, int]]] = {}  # by id: where it begins, and its three lengths

    def passing(self, exchanges: Iterable[RecordedExchange]) -> Iterator[RecordedExchange]:
        """Each is remembered as it passes. Raises OSError where there is no room."""
        for exchange in exchanges:
            parts = (metadata.encode(exchange.metadata), exchange.request, exchange.response)
            start = self._file.seek(0, 2)
            self._file.writelines(parts)
            self._places[exchange.metadata.id] = start, (len(parts[0]), len(parts[1]), len(parts[2]))
            yield exchange

    def find(self, exchange_id: str) -> RecordedExchange:
        start, lengths = self._places[exchange_id]
        self._file.seek(start)
        facts, request, response = (self._file.read(length) for length in lengths)
        return RecordedExchange(metadata.decode(facts), request, response)

    def close(self) -> None:
        self._file.close()
