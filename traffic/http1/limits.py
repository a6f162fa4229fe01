"""How large the parts of a message that have no length of their own may grow.

RFC 9110 and 9112 set no bounds but ask for some (RFC 9110 §5.4, RFC 9112 §2.3, §7.1.1). The relay makes one from its
settings and hands it to the readers; whoever reads recordings takes UNLIMITED: their recorder may have passed more.
"""

from dataclasses import dataclass
from sys import maxsize


@dataclass(frozen=True, slots=True)
class MessageLimits:
    head_bytes: int = 65_536  # 431; several times what browsers with full cookie jars send
    head_fields: int = 1_000  # 431; clients send about twenty, the most generous common servers take 2,000
    target_bytes: int = 16_384  # 414; RFC 9112 §3 asks for 8,000
    chunk_line_bytes: int = 4_096  # a chunk's size with its extensions, which hardly anything uses
    trailer_bytes: int = 65_536  # as a head


DEFAULT_LIMITS = MessageLimits()
UNLIMITED = MessageLimits(maxsize, maxsize, maxsize, maxsize, maxsize)  # for what lies in memory already
