"""What all connections of one recorder share."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recorder.capture.queue import FrameQueue
from recorder.capture.tap import Tap
from recorder.capture.vault import VaultKeeper
from recorder.console import ConsoleWriter
from recorder.routing.routes import Own
from recorder.settings import RecorderSettings
from recorder.tasks import TaskOwner
from traffic.capture.redact import Redactor

from .plan import Planner
from .upstream_errors import UpstreamErrors

if TYPE_CHECKING:
    from .client import ClientConnection
    from .pool import Pool


def _no_page(_own: Own) -> tuple[int, bytes, bytes]:
    raise NotImplementedError("the server sets the pages once the context stands")


@dataclass(slots=True)
class Context:
    settings: RecorderSettings
    queue: FrameQueue
    tap: Tap
    redactor: Redactor | None  # None: `capture.redact: []`
    console: ConsoleWriter
    pool: "Pool"
    tasks: TaskOwner
    planner: Planner
    vault: VaultKeeper | None = None  # None: `capture.vault: false`
    clients: "set[ClientConnection]" = field(default_factory=set)
    is_empty: asyncio.Event = field(default_factory=asyncio.Event)  # set when the last client left
    connections_by_host: Counter[str] = field(default_factory=Counter)  # of clients, by their addresses
    own_page: Callable[[Own], tuple[int, bytes, bytes]] = _no_page  # status, content type and body of an own endpoint
    upstream_errors: UpstreamErrors = field(default_factory=UpstreamErrors)
    rejected_heads: int = 0
    rejected_connections: int = 0
    is_stopping: bool = False
