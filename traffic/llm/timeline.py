"""When each piece of a response's content arrived: the arrival times of the file's bytes, carried over to the content
behind its framing and compression. Called by decode.py and by what shows a stream's events.
"""

from traffic.capture.recording import Recording
from traffic.llm.events import Marks


def content_marks(recording: Recording, arrivals: list[tuple[int, float]]) -> Marks:
    """`arrivals`: (offset in the file, ms), as in the metadata."""
    start = len(recording.head_bytes)
    return [(max(0, offset - start), at_ms) for offset, at_ms in arrivals]
