"""Requests that wait to be sent, however many: heads, which hold credentials, in memory; bodies in a file without a
name, once they are too many. All are prepared before the first is sent, so that nothing is sent where one of them
cannot be, and so that sending waits for no recording to be read. Called by the commands that replay.
"""

from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import NamedTuple, Self

from replay.sender import Request
from traffic.http1.head import head_end

MEMORY_BYTES_MAX = 32 * 1024 * 1024  # of bodies


class Waiting(NamedTuple):
    """`request` has only its head."""

    replay_of: str  # the id of the exchange that it repeats
    started_ns: int  # when that one was
    url: str  # as it may be shown
    reaches: str  # the origin that answers in the end
    is_paid: bool  # and not idempotent: each sending is charged for
    expected_usd: float | None  # None: nobody knows
    request: Request
    body_at: int
    body_bytes: int


class Outbox:
    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.bodies = SpooledTemporaryFile(MEMORY_BYTES_MAX)  # noqa: SIM115 closed by close()
        self._end = 0

    def add(self, waiting: Waiting) -> None:
        """With the whole request."""
        data = waiting.request.data
        cut = head_end(data)
        self.bodies.seek(self._end)
        body_bytes = self.bodies.write(data[cut:])
        head = replace(waiting.request, data=data[:cut])
        self.waiting.append(waiting._replace(request=head, body_at=self._end, body_bytes=body_bytes))
        self._end += body_bytes

    def request(self, waiting: Waiting) -> Request:
        self.bodies.seek(waiting.body_at)
        return replace(waiting.request, data=waiting.request.data + self.bodies.read(waiting.body_bytes))

    def close(self) -> None:
        self.bodies.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
