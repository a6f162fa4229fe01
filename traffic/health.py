"""How the parts of a service are: what `/health/detailed` of both services shows. Pure."""

from typing import Final, Literal

import msgspec

State = Literal["ok", "degraded", "failing"]

DISK_LOW_BYTES: Final = 1024**3
DISK_FULL_BYTES: Final = 64 * 1024**2
_ORDER: Final[tuple[State, ...]] = ("ok", "degraded", "failing")


class Part(msgspec.Struct, frozen=True):
    """degraded: it works, someone should look; failing: recordings are being lost, or soon will be."""

    name: str
    status: State
    text: str


class Health(msgspec.Struct, frozen=True):
    status: State  # of the worst part
    service: str
    parts: list[Part]

    @property
    def http_status(self) -> int:
        return 503 if self.status == "failing" else 200


def health_of(service: str, parts: list[Part]) -> Health:
    return Health(max((part.status for part in parts), key=_ORDER.index, default="ok"), service, parts)


def disk_part(free_bytes: int | None, folder: str) -> Part:
    """`free_bytes`: None where it is not known."""
    if free_bytes is None:
        return Part("disk", "degraded", f"it is not known how much is free where {folder} is")
    text = f"{free_bytes / 1e9:.1f} GB free where {folder} is"
    if free_bytes < DISK_FULL_BYTES:
        return Part("disk", "failing", f"{text}: delete something")
    return Part("disk", "degraded" if free_bytes < DISK_LOW_BYTES else "ok", text)
