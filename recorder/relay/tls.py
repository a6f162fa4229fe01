"""TLS to upstreams and to outbound proxies: what is trusted, and what was wrong. Called by dial.py and proxy.py."""

import ssl
from functools import cache


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


def tls_problem(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    return error.reason or str(error)
