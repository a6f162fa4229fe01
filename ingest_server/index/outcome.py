"""How a call ended, as an HTTP status, whatever became of it. Called for audit records and for the metrics.

It is the response's where that tells of an error; else, in this order: what the provider said in its answer; 504 where
something took too long; 500 where it failed otherwise, or nothing came; else the response's. That the client went, or
that bytes were lost on the way into the files, is no failure of the call.
"""

import re
from typing import Final

from traffic.llm.call import ProviderError

_NO_FAILURES: Final = frozenset({"client_disconnect", "capture_gap", "capture_failed"})
# What providers call errors that they send within a stream, whose status is 200 by then.
_STATUS_BY_NAME: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
    "INVALID_ARGUMENT": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_is_failure = re.compile(r"[45]\d\d", re.ASCII).fullmatch


def outcome(status: int | None, error: str | None, provider_error: ProviderError | None) -> int:
    """`error`: the recording's, by name."""
    if status is not None and status >= 400:
        return status
    if provider_error is not None:
        return _status_of_provider(provider_error)
    if error is not None and error.endswith("_timeout"):
        return 504
    if error is not None and error not in _NO_FAILURES:
        return 500
    return 500 if status is None else status


def _status_of_provider(error: ProviderError) -> int:
    for name in (error.code, error.type):
        if name is not None and _is_failure(name):
            return int(name)
        if name in _STATUS_BY_NAME:
            return _STATUS_BY_NAME[name]
    return 500
