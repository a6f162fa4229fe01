"""How recordings are played, and the limits that keep a hostile client within bounds. Built by commands/play.py, or by
a program that embeds the player; frozen.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from replay.masks import Masks
from traffic.http1.limits import DEFAULT_LIMITS, MessageLimits

INSTANT = math.inf


@dataclass(frozen=True, slots=True)
class PlayLimits:
    connections: int = 1_000
    body_bytes: int = 64 * 1024 * 1024  # of a request; 413
    unanswered_bytes: int = 512 * 1024 * 1024  # of all requests that are being read or matched; 503
    early_bytes: int = 64 * 1024  # read ahead, while a request before it is being answered
    head_read_s: float = 30.0  # from a head's first byte to its last
    idle_s: float = 600.0  # without a byte from a client that is to send something, or to take something
    linger_s: float = 2.0  # what a refused client still sends is thrown away for so long
    message: MessageLimits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True)
class PlaySettings:
    host: str = "localhost"
    port: int = 5601  # 0: a free one
    speed: float = 1.0  # 10.0: ten times as fast; INSTANT: nothing is waited for
    match: Literal["exact", "masked", "prefix"] = "masked"  # how far down the ladder (matching.py)
    repeat: Literal["last", "again", "never"] = "last"  # what follows the last recording of the same request
    masks: Masks = field(default_factory=Masks)
    forward_to: tuple[str, int] | None = None  # a recorder's host and port, which gets what no recording answers
    is_growing: bool = False  # that recorder adds what it gets to the folder that is played
    insecure_public_bind: bool = False  # listen on more than loopback
    limits: PlayLimits = PlayLimits()
