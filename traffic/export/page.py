"""An exchange as a page of HTML, for whoever has a browser and nothing else: what was said, when, and the bytes.

Recordings are hostile: all that comes from one is escaped, control characters and those that reorder text included,
and the page's policy lets nothing run that page_style.py does not hold. What is long is cut here, and whole in the
files that the page links to. Called by bundle.py.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from traffic.capture.exchange import RecordedExchange
from traffic.capture.metadata import Metadata
from traffic.capture.recording import Recording, read_recording
from traffic.export.page_style import POLICY, SCRIPT, STYLE
from traffic.llm.call import Chunk, LlmCall, Media, Message, Part, Reasoning, Refusal, ToolCall, ToolResult
from traffic.llm.decode import BODY_BYTES_MAX, Decoded

TEXT_CHARS_MAX: Final = 200_000  # of each text on a page
ROWS_MAX: Final = 2_000  # of each table and picture
_SAID_CHARS_MAX: Final = 300  # in the list

_REORDERING: Final = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_MARKUP: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))
_ESCAPES: Final[dict[int, str]] = {
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"},
    **{code: f"\\x{code:02x}" for code in range(0x7F, 0xA0)},
    **{code: f"\\u{code:04x}" for code in _REORDERING},
    **{ord(char): text for char, text in _MARKUP},
}


class Links(NamedTuple):
    """Relative URLs, from the exchange's page."""

    all: str
    files: tuple[str, ...]


def escaped(text: object) -> str:
    """As it may stand in a page, between tags or in an attribute."""
    return str(text).encode("utf-8", "backslashreplace").decode().translate(_ESCAPES)


def exchange_page(exchange: RecordedExchange, decoded: Decoded | None, links: Links) -> Iterator[str]:
    facts = exchange.metadata
    title = f"{facts.method} {facts.url}" if decoded is None else decoded.call.model or decoded.call.operation
    yield _head(title)
    yield f'<p class="quiet"><a href="{escaped(links.all)}">all exchanges</a></p><h1>{escaped(title)}</h1>'
    yield from _facts(facts, decoded)
    if decoded is not None:
        yield from _conversation(decoded.call)
    request = read_recording(exchange.request, facts.method, BODY_BYTES_MAX)
    response = read_recording(exchange.response, facts.method, BODY_BYTES_MAX)
    yield from _times(facts, decoded)
    yield from _side("Request", request, is_open=decoded is None)
    yield from _side("Response", response, is_open=decoded is None)
    yield "<h2>Files</h2><ul>"
    yield from (f'<li><a href="{escaped(file)}">{escaped(file.rpartition("/")[2])}</a></li>' for file in links.files)
    yield "</ul></body></html>\n"


def list_page(rows: Iterable[str], count: int) -> Iterator[str]:
    yield _head("Recorded exchanges", "list")
    yield f'<h1>Recorded exchanges</h1><p class="quiet">{count:,} in all <output></output></p>'
    yield '<input hidden type="search" placeholder="Search: model, status, words" aria-label="Search">'
    yield "<table><thead><tr><th>time (UTC)</th><th>what</th><th>status</th>"
    yield '<th class="number">took</th><th class="number">tokens</th><th class="number">cost</th>'
    yield "<th>prompt</th><th>answer</th></tr></thead><tbody>\n"
    yield from rows
    yield f"</tbody></table><script>{SCRIPT}</script></body></html>\n"


def list_row(facts: Metadata, call: LlmCall | None, href: str) -> str:
    what = call.model or call.operation if call is not None else f"{facts.method} {facts.url}"
    asked = next((each.text for each in reversed(call.input) if each.role == "user"), "") if call is not None else ""
    answered = " ".join(each.text for each in call.output) if call is not None else ""
    figures = (_ms(facts.durations_ms.total), _tokens(call), _cost(call))
    cells = [
        f'<td class="when">{escaped(_moment(facts))}</td>',
        f'<td class="what"><a href="{escaped(href)}">{escaped(what[:200])}</a></td>',
        f"<td>{_status(facts)}</td>",
        *(f'<td class="number">{escaped(figure)}</td>' for figure in figures),
        *(f'<td class="said"><div>{escaped(text[:_SAID_CHARS_MAX])}</div></td>' for text in (asked, answered)),
    ]
    return f"<tr>{''.join(cells)}</tr>\n"


def _head(title: str, kind: str = "exchange") -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escaped(title[:200])}</title><style>{STYLE}</style></head><body class={kind}>\n"
    )


def _facts(facts: Metadata, decoded: Decoded | None) -> Iterator[str]:
    if facts.error is not None:
        text = f"incomplete: {facts.error.name} in {facts.error.phase}, by {facts.error.by}: {facts.error.detail}"
        yield f'<p class="bad">{escaped(text)}</p>'
    elif not facts.completed:
        yield '<p class="bad">this exchange had not ended when it was exported</p>'
    told: list[tuple[str, object]] = [
        ("time", f"{_moment(facts)} UTC"),
        ("status", facts.response.status),
        ("url", facts.url),
        ("upstream", facts.upstream_url),
        ("route", facts.route),
        ("id", facts.id),
        ("replays", facts.replay_of),
    ]
    if decoded is not None:
        call = decoded.call
        told += [
            ("model", call.model),
            ("served as", call.response_model),
            ("provider", call.provider),
            ("tokens", _tokens(call)),
            ("cost", _cost(call)),
            ("tools", ", ".join(tool.name for tool in call.tools)),
            ("parameters", "  ".join(f"{name}={value}" for name, value in call.parameters.items())[:2000]),
        ]
    yield from _list(told)


def _conversation(call: LlmCall) -> Iterator[str]:
    yield "<h2>Conversation</h2>\n"
    for message in (*call.input, *call.output):
        yield from _message(message)
    if call.error is not None:
        yield f'<p class="bad text">the provider\'s error: {_cut(call.error.message)}</p>'
    elif call.truncated:
        yield '<p class="bad">the answer lacks its end</p>'
    for problem in call.problems:
        yield f'<p class="bad">{escaped(problem)}</p>'
    if call.finish_reason:
        yield f'<p class="quiet">finish: {escaped(call.finish_reason)}</p>'


def _message(message: Message) -> Iterator[str]:
    yield f'<section class="message {message.role}"><h3>{message.role}</h3>'
    yield from (_part(part) for part in message.parts)
    yield "</section>\n"


def _part(part: Part) -> str:
    if isinstance(part, Reasoning):
        text = part.text or "which the provider keeps to itself"
        return f'<details><summary class="quiet">reasoning</summary><div class="text">{_cut(text)}</div></details>'
    if isinstance(part, ToolCall):
        shown = f'<div>→ <span class="name">{escaped(part.name)}</span></div>'
        return f"{shown}<pre>{_cut(_readable(part.arguments))}</pre>"
    if isinstance(part, ToolResult):
        shown = f'<div>← <span class="name">{escaped(part.name or part.id or "result")}</span></div>'
        return f"{shown}<pre{' class=bad' if part.is_error else ''}>{_cut(_readable(part.text))}</pre>"
    if isinstance(part, Media):
        facts = (part.mime_type, f"{part.bytes:,} bytes" if part.bytes is not None else None, part.reference)
        shown = f"{part.kind}: {', '.join(fact for fact in facts if fact)[:500]}"
        return f'<div class="quiet">[{escaped(shown)}]</div>'
    return f'<div class="text{" bad" if isinstance(part, Refusal) else ""}">{_cut(part.text)}</div>'


def _times(facts: Metadata, decoded: Decoded | None) -> Iterator[str]:
    yield "<h2>Times</h2>"
    times = facts.durations_ms
    told = [("connect", _ms(times.connect)), ("first byte", _ms(times.first_byte)), ("total", _ms(times.total))]
    if decoded is not None:
        timing = decoded.call.timing
        told += [("first token", _ms(timing.ttft_ms)), ("longest gap", _ms(timing.gap_max_ms))]
        if timing.tokens_per_s is not None:
            told.append(("tokens/s", f"{timing.tokens_per_s:.0f}"))
    yield from _list(told)
    arrivals = facts.response.arrivals
    if len(arrivals) > 1:
        yield _picture([at_ms for _, at_ms in arrivals])
    if decoded is not None and decoded.chunks:
        yield from _chunks(decoded.chunks)


def _picture(moments: list[float]) -> str:
    """A mark for each read of the answer, from the start of the exchange to the last of them."""
    step = -(-len(moments) // ROWS_MAX)
    end = moments[-1] or 1.0
    marks = "".join(f'<rect x="{at_ms / end * 996:.1f}" width="4" height="28"/>' for at_ms in moments[::step])
    label = f"{len(moments):,} reads of the answer"
    return f'<svg viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" aria-label="{label}">{marks}</svg>'


def _chunks(chunks: list[Chunk]) -> Iterator[str]:
    yield f"<details><summary>the answer as it came, in {len(chunks):,} pieces</summary><table><tbody>"
    for chunk in chunks[:ROWS_MAX]:
        yield f'<tr><td class="number">{escaped(_ms(chunk.at_ms))}</td><td class="text">{_cut(chunk.text)}</td></tr>'
    yield f"</tbody></table>{_rest(is_more=len(chunks) > ROWS_MAX)}</details>"


def _side(name: str, recording: Recording, *, is_open: bool) -> Iterator[str]:
    yield f"<h2>{name}</h2>"
    yield from (f'<p class="bad">{escaped(problem)}</p>' for problem in recording.problems)
    if recording.head_bytes:
        yield f"<pre>{_cut(_decoded(recording.head_bytes.rstrip()))}</pre>"
    if recording.content:
        about = f"body, {len(recording.body):,} bytes"
        if len(recording.content) != len(recording.body):
            about += f", {len(recording.content):,} without chunks and compression"
        text = _readable(_decoded(recording.content[: 4 * TEXT_CHARS_MAX]))
        yield f"<details{' open' if is_open else ''}><summary>{about}</summary><pre>{_cut(text)}</pre></details>"
    if recording.trailers:
        yield f"<p>trailers</p><pre>{_cut(_decoded(recording.trailers))}</pre>"


def _list(told: Iterable[tuple[str, object]]) -> Iterator[str]:
    yield "<dl>"
    yield from (f"<dt>{name}</dt><dd>{escaped(value)}</dd>" for name, value in told if value not in (None, "", "-"))
    yield "</dl>"


def _cut(text: str) -> str:
    return escaped(text[:TEXT_CHARS_MAX]) + _rest(is_more=len(text) > TEXT_CHARS_MAX)


def _rest(*, is_more: bool) -> str:
    return '<p class="quiet">… and more, which the files hold</p>' if is_more else ""


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")


def _readable(text: str) -> str:
    """JSON objects and lists indented, anything else as it is."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return msgspec.json.format(text, indent=2)
    except (ValueError, RecursionError):
        return text


def _status(facts: Metadata) -> str:
    text = escaped(facts.error.name if facts.error is not None else facts.response.status or "-")
    return f'<span class="bad">{text}</span>' if facts.error or (facts.response.status or 0) >= 400 else text


def _moment(facts: Metadata) -> str:
    return facts.started_at[:23].replace("T", " ")


def _ms(ms: float | None) -> str:
    if ms is None:
        return "-"
    return f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def _tokens(call: LlmCall | None) -> str:
    usage = call.usage if call is not None else None
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return "-"
    counts = (("in", usage.input_tokens), ("out", usage.output_tokens))
    return " + ".join(f"{count:,} {name}" for name, count in counts if count is not None)


def _cost(call: LlmCall | None) -> str:
    return "-" if call is None or call.cost is None else f"${call.cost.usd:.6f}".rstrip("0").rstrip(".")
