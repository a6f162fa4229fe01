"""New settings for a running ingest server: what it can take over, what waits for its next start, what to make first.

Called by the server.
"""

import ssl
from dataclasses import dataclass, replace
from typing import Self

from ingest_server.server_tls import server_context
from ingest_server.settings import IngestSettings
from traffic.capture.redact import Redactor, load_redaction_key


def waiting_for_restart(started: IngestSettings, wanted: IngestSettings) -> tuple[str, ...]:
    """The configuration's keys whose change cannot be taken over: of sockets and folders."""
    differs = {
        "ingest.host": started.host != wanted.host,
        "ingest.port": started.port != wanted.port,
        "ingest.tls": (started.tls is None) != (wanted.tls is None),
        "ingest.log_dir": started.log_dir != wanted.log_dir,
        "ingest.layout": started.layout != wanted.layout,
        "capture.journal_dir": started.key_dir != wanted.key_dir,
    }
    return tuple(key for key, is_different in differs.items() if is_different)


def taken_over(started: IngestSettings, wanted: IngestSettings) -> IngestSettings:
    """`wanted`, with what was `started` where that cannot change."""
    return replace(
        wanted,
        host=started.host,
        port=started.port,
        tls=started.tls and (wanted.tls or started.tls),
        log_dir=started.log_dir,
        layout=started.layout,
        key_dir=started.key_dir,
    )


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is read from files before settings apply."""

    redactor: Redactor | None
    tls: ssl.SSLContext | None

    @classmethod
    def read(cls, settings: IngestSettings) -> Self:
        """Not for the event loop. Raises OSError."""
        return cls(
            Redactor(load_redaction_key(settings.key_dir)) if settings.redact else None,
            server_context(settings.tls) if settings.tls is not None else None,
        )
