"""When each piece of a response's content arrived: the arrival times of the file's bytes, carried over to the content
behind its framing and compression. Called by decode.py and by what shows a stream's events.

A piece arrived with the network read that completed it: that after which its bytes could be unpacked.
"""

from collections.abc import Sequence

from traffic.capture.recording import Recording
from traffic.http1.content import read_chunked, read_compressed
from traffic.llm.events import Marks


def content_marks(recording: Recording, arrivals: Sequence[tuple[int, float]]) -> Marks:
    """`arrivals`: (offset in the file, ms), as in the metadata: rising. Takes as long as reading the content did."""
    head, body = recording.head, recording.body
    if head is None:
        return []
    start = len(recording.head_bytes)
    places: Sequence[int] = [max(0, offset - start) for offset, _ in arrivals]
    if b"transfer-encoding" in head.present:
        chunks = read_chunked(body, places)
        body, places = chunks.data, chunks.places
    coding = b",".join(head.values(b"content-encoding")).decode("latin-1")
    if coding:
        places = read_compressed(body, coding, len(recording.content), places).places
    return [(place, at_ms) for place, (_, at_ms) in zip(places, arrivals, strict=True)]
