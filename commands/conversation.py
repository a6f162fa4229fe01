"""A call to an LLM as a person reads it: who said what, and what came of it, in lines for a terminal.

    user
      What is the weather in Bern?

    assistant
      I look it up.
      → get_weather  {"city": "Bern"}

What is said is indented, so that no text passes for another speaker's, and stays so where a terminal's width wraps it.
Everything from the recording is escaped (commands/plain_text.py). Called by `recorder show`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from commands.figures import cost, counted, duration
from commands.plain_text import plain
from traffic.llm.call import LlmCall, Media, Message, Part, Reasoning, Refusal, ToolCall, ToolResult, Usage

INDENT = 2
ARGUMENTS_ON_ONE_LINE_MAX = 80

_ROLE_STYLES = {"system": "bold magenta", "user": "bold blue", "assistant": "bold green", "tool": "bold yellow"}


_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-fA-F]{4})+)")

_Tools = Mapping[str | None, str]  # names by the ids of their calls


class Line(NamedTuple):
    text: Text
    indent: int = 0


def print_lines(lines: Iterable[Line], console: Console) -> None:
    """Wrapped at the width of a terminal."""
    for line in lines:
        is_wrapped = console.is_terminal and line.text.cell_len > console.width - line.indent
        width = max(1, console.width - line.indent)
        for piece in line.text.wrap(console, width) if is_wrapped else (line.text,):
            if is_wrapped:
                piece.rstrip()
            console.print(Text(" " * line.indent) + piece if piece else "")


def conversation(call: LlmCall) -> Iterator[Line]:
    """What was said, with an empty line before each message."""
    messages = (*call.input, *call.output)
    tools = {part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCall)}
    for message in call.input:
        yield from _message(message, tools)
    for number, message in enumerate(call.output, 1):
        yield from _message(message, tools, f" {number} of {len(call.output)}" if len(call.output) > 1 else "")


def settings_of(call: LlmCall) -> Iterator[tuple[str, str]]:
    """Names and values of how it was asked: the tools that the model had, and the request's parameters."""
    if call.tools:
        yield "tools", ", ".join(tool.name for tool in call.tools)
    if call.parameters:
        texts = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in call.parameters.items()]
        yield "parameters", "  ".join(text if len(text) <= 80 else text[:79] + "…" for text in texts)


def closing(call: LlmCall, duration_ms: float | None) -> Iterator[Line]:
    """What is wrong, if anything, and the figures."""
    if call.error is not None:
        kind = ", ".join(part for part in (call.error.type, call.error.code) if part)
        yield Line(Text(plain(f"the provider's error{f' ({kind})' if kind else ''}: {call.error.message}"), "red"))
    elif call.truncated:
        yield Line(Text("the answer lacks its end" if call.output else "there is no answer", "red"))
    for problem in call.problems:
        yield Line(Text(plain(problem), "yellow"))
    figures = [
        f"finish {call.finish_reason}" if call.finish_reason else "",
        _usage(call.usage),
        f"{cost(call.cost.usd)} ({call.cost.source})" if call.cost is not None else "cost unknown",
        f"first token {duration(call.timing.ttft_ms)}" if call.timing.ttft_ms is not None else "",
        f"{call.timing.tokens_per_s:.0f} tokens/s" if call.timing.tokens_per_s is not None else "",
        f"took {duration(duration_ms)}" if duration_ms is not None else "",
    ]
    yield Line(Text(plain(" · ".join(figure for figure in figures if figure)), "dim"))


def _message(message: Message, tools: _Tools, which: str = "") -> Iterator[Line]:
    yield Line(Text())
    yield Line(Text(message.role + which, _ROLE_STYLES[message.role]))
    for part in message.parts:
        yield from _part(part, tools)


def _part(part: Part, tools: _Tools) -> Iterator[Line]:
    if isinstance(part, Reasoning):
        yield Line(
            Text("… reasoning" if part.text else "… reasoning, which the provider keeps to itself", "dim"), INDENT
        )
        yield from _lines(part.text, "dim italic", 2 * INDENT) if part.text else ()
    elif isinstance(part, Refusal):
        yield from _lines(part.text, "red")
    elif isinstance(part, ToolCall):
        yield from _tool_call(part)
    elif isinstance(part, ToolResult):
        yield _titled("← ", part.name or tools.get(part.id) or part.id or "result")
        yield from _lines(_readable(part.text), "red" if part.is_error else "", 2 * INDENT)
    elif isinstance(part, Media):
        facts = [part.mime_type or "", counted(part.bytes, "byte") if part.bytes is not None else ""]
        yield from _lines(f"[{part.kind}: {', '.join(fact for fact in (*facts, part.reference) if fact)}]", "cyan")
    else:
        yield from _lines(part.text, "")


def _tool_call(call: ToolCall) -> Iterator[Line]:
    arguments = _unescaped(call.arguments.strip())
    if len(arguments) <= ARGUMENTS_ON_ONE_LINE_MAX and "\n" not in arguments:
        yield _titled("→ ", call.name, arguments)
    else:
        yield _titled("→ ", call.name)
        yield from _lines(_readable(arguments), "", 2 * INDENT)


def _titled(arrow: str, name: str, rest: str = "") -> Line:
    return Line(Text(arrow, "yellow") + Text(plain(name), "bold") + Text(plain(f"  {rest}" if rest else "")), INDENT)


def _readable(text: str) -> str:
    """JSON objects and lists indented, anything else as it is."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return _unescaped(msgspec.json.format(text, indent=2))
    except (msgspec.DecodeError, RecursionError):
        return text


def _unescaped(text: str) -> str:
    r"""With letters in place of their escapes: Z\u00fcrich."""
    return _ESCAPED.sub(_letters, text)


def _letters(match: re.Match[str]) -> str:
    letters = json.loads(f'"{match[2]}"')
    is_safe = letters.isprintable() and not set(letters) & {'"', "\\"}
    return match[1] + letters if is_safe else match[0]


def _lines(text: str, style: str, indent: int = INDENT) -> Iterator[Line]:
    for line in plain(text).removesuffix("\n").split("\n"):
        yield Line(Text(line, style), indent)


def _usage(usage: Usage) -> str:
    if usage.input_tokens is None and usage.output_tokens is None:
        return "tokens unknown"
    into = ((usage.cached_input_tokens, "cached"), (usage.cache_write_tokens, "written to the cache"))
    texts = [
        _with_parts(usage.input_tokens, "in", into),
        _with_parts(usage.output_tokens, "out", ((usage.reasoning_tokens, "reasoning"),)),
    ]
    return f"{' + '.join(text for text in texts if text)} tokens ({usage.source})"


def _with_parts(total: int | None, what: str, parts: Iterable[tuple[int | None, str]]) -> str:
    if total is None:
        return ""
    shown = ", ".join(f"{count:,} {name}" for count, name in parts if count)
    return f"{total:,} {what} ({shown})" if shown else f"{total:,} {what}"
