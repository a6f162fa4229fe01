"""Which header lines say something about what was asked or answered. Called by compare.py.

MATTERS     a difference in one of these is a difference
VARIES      differ each time, or say how the bytes travelled: never looked at
the others  a difference is told, and does not matter
"""

import re
from collections.abc import Iterable
from typing import Final, Literal

MATTERS: Final[dict[Literal["request", "response"], frozenset[str]]] = {
    "request": frozenset({"anthropic-beta", "anthropic-version", "content-type", "openai-beta"}),
    "response": frozenset({"content-type", "location", "retry-after", "www-authenticate"}),
}

VARIES: Final = re.compile(
    r"""
      age | alt-svc | cache-control | cf-.* | connection | content-encoding | content-length | date | etag | expires
    | keep-alive | last-modified | nel | report-to | server-timing | set-cookie | strict-transport-security
    | transfer-encoding | vary | via
    | (?:x-|request-|.*-)?request-id | x-correlation-id | x-amzn?-.* | x-cloud-trace-context | x-trace-id | .*-trace-id
    | openai-processing-ms | x-envoy-upstream-service-time | .*-(?:duration|latency|time)(?:-ms)? | .*-ms
    | (?:x-|anthropic-|openai-)?ratelimit-.* | x-rate-?limit-.* | anthropic-organization-id | openai-organization
    | x-served-by | x-cache | x-cache-hits | x-timer | x-robots-tag
    # of requests
    | accept-encoding | authorization | api-key | x-api-key | x-goog-api-key | proxy-authorization | cookie
    | host | user-agent | x-stainless-.* | idempotency-key | x-idempotency-key | .*-idempotency-key
    | traceparent | tracestate | baggage | b3 | x-b3-.* | sentry-trace | x-datadog-.*
    | x-session-id | session_id | conversation_id | x-proxy-path | x-replay-of | x-forwarded-.* | forwarded
    """,
    re.VERBOSE,
).fullmatch


def looked_at(fields: Iterable[tuple[str, str]], ignored: frozenset[str]) -> dict[str, str]:
    """By name in lower case; the values of several lines of a name are one."""
    found: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        if key not in ignored and not VARIES(key):
            found[key] = f"{found[key]}, {value}" if key in found else value
    return found
