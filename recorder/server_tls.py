"""The TLS of the listening side: HTTP/1.1 alone, TLS 1.2 or newer, and a certificate that can be replaced meanwhile."""

import ssl
from dataclasses import dataclass, field

from recorder.settings import TlsFiles


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Reads the files; raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(files.cert, files.key, password=_refuse)
    return context


def _refuse() -> str:
    """Instead of asking on the terminal."""
    raise ssl.SSLError("its private key is encrypted")


@dataclass(slots=True)
class ServerTls:
    """`listening` is what a listener takes; `current` serves each new handshake and may be replaced at any time.

    A context keeps one certificate for each kind of key, so that loading another one into it could leave the old one
    in use.
    """

    current: ssl.SSLContext
    listening: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        self.listening = self.current
        self.listening.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called in each handshake, also where the client names no server."""
        connection.context = self.current
