"""The text of an exchange that can be searched: what is new in it. A conversation's history stands in the exchanges
that said it first.

    prompt   messages that its parent did not have; where no parent is known, all of them
    answer   the answer, its reasoning included
    tools    names and arguments of the tools that the answer calls, and the results that new messages bring

Called by writer.py.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from traffic.llm.call import LlmCall, Message, ToolCall, ToolResult

CHARACTERS_MAX: Final = 256 * 1024  # of each of the three: what stands behind them is not found

_MALFORMED: Final = (ValueError, RecursionError)


class Words(NamedTuple):
    prompt: str
    answer: str
    tools: str


def words_of(call: LlmCall, known: int) -> Words:
    """`known`: how many of the messages, from the first, stand in earlier exchanges."""
    new = call.input[known:]
    return Words(
        _join(text for message in new for text in _said(message)),
        _join(text for message in call.output for text in _said(message)),
        _join(text for message in (*call.output, *new) for text in _tools(message)),
    )


def _said(message: Message) -> Iterator[str]:
    for part in message.parts:
        if part.__class__ is not ToolResult:
            text = getattr(part, "text", "")
            if text:
                yield text


def _tools(message: Message) -> Iterator[str]:
    for part in message.parts:
        if isinstance(part, ToolCall):
            yield part.name
            yield _plain(part.arguments)
        elif isinstance(part, ToolResult):
            yield part.text


def _plain(arguments: str) -> str:
    """The strings, numbers and names in a JSON document, without its quotes and escapes; a large one as it is."""
    if len(arguments) > CHARACTERS_MAX:
        return arguments
    try:
        return " ".join(_leaves(msgspec.json.decode(arguments)))
    except _MALFORMED:
        return arguments


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif value is not None:
        yield str(value)


def _join(texts: Iterable[str]) -> str:
    pieces: list[str] = []
    room = CHARACTERS_MAX
    for text in texts:
        pieces.append(text[:room])
        room -= len(text) + 1
        if room <= 0:
            break
    return "\n".join(pieces)
