"""What the three files of an exchange hold: made by what reads files; taken by the index, by replay and by exports."""

from typing import NamedTuple

from traffic.capture.metadata import Metadata


class RecordedExchange(NamedTuple):
    metadata: Metadata
    request: bytes  # `_request.bin`
    response: bytes  # `_response.bin`; empty where there was none
