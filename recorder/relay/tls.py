"""TLS to upstreams, outbound proxies and the ingest server: what is trusted, and what was wrong.

Called by dial.py, proxy.py and the shipper.
"""

import ssl
from functools import cache
from pathlib import Path


@cache
def tls_context(*, verify: bool) -> ssl.SSLContext:
    """The system's trust store; HTTP/1.1 alone is offered."""
    if verify:
        import truststore  # noqa: PLC0415 only where TLS is used

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def link_context(server_ca: Path | None) -> ssl.SSLContext:
    """To the ingest server, whose certificate is always checked. Raises OSError where `server_ca` cannot be read."""
    if server_ca is None:
        return tls_context(verify=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may be the server's own certificate
    context.load_verify_locations(server_ca)
    return context


def tls_problem(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    return error.reason or str(error)
