"""New settings for a running recorder: what it can take over, what waits for its next start, and what to make first.

Called by the server.
"""

import ssl
from dataclasses import dataclass, replace
from typing import Self

from recorder.routing.routes import Target, build_table
from recorder.routing.table import RoutingTable
from recorder.server_tls import server_context
from recorder.settings import RecorderSettings
from traffic.capture.redact import Redactor, load_redaction_key


def waiting_for_restart(started: RecorderSettings, wanted: RecorderSettings) -> tuple[str, ...]:
    """The configuration's keys whose change cannot be taken over: of sockets, folders and the journal's ways."""
    differs = {
        "server.host": started.host != wanted.host,
        "server.port": started.port != wanted.port,
        "server.tls": (started.tls is None) != (wanted.tls is None),
        "logging.server_url": started.capture.server_url != wanted.capture.server_url,
        "capture.journal_dir": started.capture.journal_dir != wanted.capture.journal_dir,
        "capture.durability": started.capture.durability != wanted.capture.durability,
        "capture.vault": started.capture.vault != wanted.capture.vault,
    }
    return tuple(key for key, is_different in differs.items() if is_different)


def taken_over(started: RecorderSettings, wanted: RecorderSettings) -> RecorderSettings:
    """`wanted`, with what was `started` where that cannot change. Ports that were nobody's stay forbidden to routes."""
    capture = replace(
        wanted.capture,
        server_url=started.capture.server_url,
        journal_dir=started.capture.journal_dir,
        durability=started.capture.durability,
        vault=started.capture.vault,
    )
    return replace(
        wanted,
        host=started.host,
        port=started.port,
        tls=started.tls and (wanted.tls or started.tls),
        forbidden_ports=wanted.forbidden_ports | started.forbidden_ports,
        capture=capture,
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What is made of settings before they apply."""

    settings: RecorderSettings
    table: RoutingTable[Target]
    redactor: Redactor | None
    tls: ssl.SSLContext | None

    @classmethod
    def read(cls, settings: RecorderSettings) -> Self:
        """Reads files, so not for the event loop. Raises RoutingError, and OSError for the TLS files."""
        capture = settings.capture
        return cls(
            settings,
            build_table(settings),
            Redactor(load_redaction_key(capture.journal_dir)) if capture.redact else None,
            server_context(settings.tls) if settings.tls is not None else None,
        )
