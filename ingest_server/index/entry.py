"""What the index learns of one exchange from its files alone, before the writer finds its place among the others.

Pure. Called by catch_up.py and by the indexer.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from ingest_server.index.origin import UNKNOWN, Origin, origin_of
from ingest_server.index.row import KEYS_PER_US, Row
from ingest_server.index.summary import error_of, preview_of, tool_calls_of
from traffic.capture.metadata import Metadata
from traffic.llm.call import LlmCall
from traffic.llm.decode import Decoded
from traffic.llm.sessions import NAME_CHARACTERS_MAX, named_session

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TEXT_MAX: Final = 4096  # of a URL, a problem
_KEY_MAX: Final = 2**63 - 1

_encode = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    row: Row  # its `at` may be taken; `session` is the name that the client gave; `parent` is not known
    call: LlmCall | None
    origin: Origin = UNKNOWN


def entry_of(stem: str, facts: Metadata, decoded: Decoded | None, decoder: str) -> Entry:
    """`stem` is relative to log_dir; `decoder` the fingerprint of what decoded. Raises ValueError where name and
    metadata do not belong together.
    """
    call = decoded.call if decoded is not None else None
    is_open = not facts.completed and facts.error is None
    status = facts.response.status
    row = Row(
        at=_key(stem, facts.started_at),
        id=facts.id,
        stem=stem,
        is_open=is_open,
        failed=facts.error is not None or (status or 0) >= 400 or (call is not None and call.error is not None),
        completed=facts.completed,
        route=facts.route,
        key=facts.key,
        method=facts.method[:NAME_CHARACTERS_MAX],
        url=facts.url[:_TEXT_MAX],
        path=path_of(facts.url)[:_TEXT_MAX],
        client=facts.client,
        status=status,
        error=facts.error.name if facts.error is not None else None,
        duration_ms=facts.durations_ms.total,
        session=named_session({name.lower(): value for name, value in facts.request.headers}),
        parent=None,
        decoder=decoder,
    )
    if call is None:
        return Entry(row, None)
    origin = origin_of(call, short(call.session) or row.session, row.key)
    return Entry(_with_call(row, call, origin), call, origin)


def key_of(stem: str, microsecond: int = 0) -> int:
    """The same for the same exchange, as long as nobody else has it; `microsecond` is that behind the name's
    millisecond. Raises ValueError where the name tells no time.
    """
    started = datetime.fromisoformat(f"{_time(stem)}Z")
    at = ((started - _EPOCH) // _MICROSECOND + microsecond) * KEYS_PER_US + int(stem[-8:], 16) % KEYS_PER_US
    if at > _KEY_MAX:
        raise ValueError("its time is too far ahead")
    return at


def path_of(url: str) -> str:
    """Of a URL, or of a target without an authority."""
    path = url.partition("?")[0]
    scheme, colon, rest = path.partition("://")
    return path if not colon or "/" in scheme else f"/{rest.partition('/')[2]}"


def _key(stem: str, started_at: str) -> int:
    if _time(stem) != started_at[:23]:
        raise ValueError(f"its name and its metadata ({started_at}) tell of different times")
    return key_of(stem, int(started_at[23:26]))


def _time(stem: str) -> str:
    """To the millisecond, in ISO 8601."""
    time = stem[-32:-9]
    return f"{time[:10]}T{time[11:].replace('-', ':')}"


def short(text: str | None) -> str | None:
    """As the index keeps what is looked up as a whole: a model, a session, an id."""
    return text if text is None else text[:NAME_CHARACTERS_MAX]


def _with_call(row: Row, call: LlmCall, origin: Origin) -> Row:
    usage, cost, error = call.usage, call.cost, error_of(call)
    return row._replace(
        session=short(call.session) or row.session,
        dialect=call.dialect,
        operation=call.operation,
        provider=call.provider,
        model=short(call.model),
        response_model=short(call.response_model),
        stream=call.stream,
        finish_reason=short(call.finish_reason),
        truncated=call.truncated,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        usage_source=usage.source,
        cost_usd=cost.usd if cost is not None else None,
        cost_source=cost.source if cost is not None else None,
        ttft_ms=call.timing.ttft_ms,
        tokens_per_s=call.timing.tokens_per_s,
        preview=preview_of(call),
        tools="\n".join(tool_calls_of(call)) or None,
        provider_error=_encode(error).decode() if error is not None else None,
        problems="\n".join(call.problems)[:_TEXT_MAX] or None,
        response_id=short(call.response_id),
        request_hash=origin.request_hash,
        answer_hash=origin.answer_hash,
        base_hash=origin.base_hash,
    )
