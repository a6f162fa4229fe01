"""What must hold of every exchange with an LLM, whatever its dialect; called by the tests of each with its examples."""

from tests.traffic.llm.example import CODINGS, Example, decode, raw
from traffic.llm.call import LlmCall, Media, Message, Part, Reasoning, Refusal, Text, ToolCall, Usage
from traffic.llm.decode import Decoded


def check_all(example: Example) -> Decoded:
    """All properties below; the whole call, for the test to look at."""
    whole = decode(example)
    check_codings(example, whole)
    check_cuts(example, whole, step_bytes=1 if whole.call.stream else 7)
    for coding in set(CODINGS) - {""}:
        check_cuts(example, whole, coding, step_bytes=23)
    return whole


def check_codings(example: Example, whole: Decoded) -> None:
    """Compressed in each coding, in both directions and in chunks of any size, it is the same call."""
    for coding in CODINGS:
        for block_bytes in (7, 100_000):
            found = decode(raw(example, coding, block_bytes))
            assert timeless(found.call) == timeless(whole.call)
            assert _said(found) == _said(whole)


def check_cuts(example: Example, whole: Decoded, coding: str = "", step_bytes: int = 1) -> None:
    """Cut anywhere, an answer decodes to the beginning of the whole one, and is truncated until its end came.

    A stream is cut at every byte: its reader has a state at each. A document is read as a whole, or not at all.
    """
    exchange = raw(example, coding)
    is_truncated = True
    for length in [*range(0, len(exchange.response), step_bytes), len(exchange.response)]:
        cut = decode(exchange._replace(response=exchange.response[:length]))
        _check_beginning(cut, whole)
        assert is_truncated or not cut.call.truncated, f"truncated with {length} bytes, not with fewer"
        is_truncated = cut.call.truncated
    assert is_truncated == whole.call.truncated


def check_end(example: Example, end: bytes) -> None:
    """It is whole with the last byte of `end`, the last event's data, and not before."""
    place = example.answer.rindex(end) + len(end)
    assert decode(example._replace(answer=example.answer[: place - 1])).call.truncated
    assert not decode(example._replace(answer=example.answer[:place])).call.truncated


def check_usage(usage: Usage) -> None:
    """Each figure that is there says where it is from, and no other does."""
    figures = {name: getattr(usage, name) for name in usage.__struct_fields__ if name != "sources"}
    assert set(usage.sources) == {name for name, figure in figures.items() if figure is not None}
    assert all(source.startswith(("reported: ", "derived: ")) for source in usage.sources.values())


def timeless(call: LlmCall) -> dict[str, object]:
    """All but what depends on when the bytes came."""
    return {name: getattr(call, name) for name in call.__struct_fields__ if name != "timing"}


def _said(decoded: Decoded) -> list[tuple[str, str]]:
    return [(chunk.kind, chunk.text) for chunk in decoded.chunks]


def _check_beginning(cut: Decoded, whole: Decoded) -> None:
    check_usage(cut.call.usage)
    assert _said(cut) == _said(whole)[: len(cut.chunks)]
    assert len(cut.call.output) <= len(whole.call.output)
    for mine, theirs in zip(cut.call.output, whole.call.output, strict=False):
        assert _begins(mine, theirs), f"{mine} is no beginning of {theirs}"
    for name in ("response_id", "response_model", "finish_reason", "error"):
        assert getattr(cut.call, name) in (None, getattr(whole.call, name)), name
    assert cut.call.input == whole.call.input


def _begins(mine: Message, theirs: Message) -> bool:
    if mine.role != theirs.role or not theirs.text.startswith(mine.text):
        return False
    return all(any(_begins_part(part, whole) for whole in theirs.parts) for part in mine.parts)


def _begins_part(part: Part, whole: Part) -> bool:
    match part, whole:
        case (Text(mine), Text(theirs)) | (Reasoning(mine), Reasoning(theirs)) | (Refusal(mine), Refusal(theirs)):
            return theirs.startswith(mine)
        case ToolCall(), ToolCall():
            return whole.name.startswith(part.name) and whole.arguments.startswith(part.arguments)
        case Media(), Media():
            return part.kind == whole.kind
    return part == whole
