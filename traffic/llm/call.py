"""What one exchange with an LLM said, in one normal form whatever dialect it was said in.

Input tokens include cached ones, output tokens include reasoning; a figure that nobody reported is None, never guessed.
Frozen values; `msgspec.json` writes them as the API shows them. Made by decode.py from what a dialect found.
"""

from typing import Any, Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]


class Text(msgspec.Struct, frozen=True, tag="text"):
    text: str


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """`text` is empty where the provider keeps it encrypted."""

    text: str


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    text: str


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    id: str | None
    name: str
    arguments: str  # JSON as the model wrote it; cut where the stream was


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    id: str | None  # of the call
    name: str | None
    text: str
    is_error: bool = False


class Media(msgspec.Struct, frozen=True, tag="media"):
    """An image, a recording, a document: by reference, its bytes stay in the recording."""

    kind: Literal["image", "audio", "video", "file"]
    mime_type: str | None
    reference: str  # a URL, the provider's file id, or "inline"
    bytes: int | None = None  # of inline data, decoded


Part = Text | Reasoning | Refusal | ToolCall | ToolResult | Media


class Message(msgspec.Struct, frozen=True):
    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """What was said, without reasoning and tools."""
        return "".join(part.text for part in self.parts if isinstance(part, Text | Refusal))


class Tool(msgspec.Struct, frozen=True):
    """One that the model may call."""

    name: str
    description: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens. `sources` says of each figure that is there where it is from: `reported: usage.prompt_tokens`, or
    `derived: usage.input_tokens + usage.cache_read_input_tokens`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None  # of the input, read from a cache
    cache_write_tokens: int | None = None  # of the input, written into one
    cache_write_1h_tokens: int | None = None  # of these, to be kept for an hour, which costs more
    reasoning_tokens: int | None = None  # of the output
    sources: dict[str, str] = {}

    @property
    def source(self) -> Literal["reported", "derived", "missing"]:
        """Of all figures together: `derived` where any of them is a sum of reported ones."""
        if not self.sources:
            return "missing"
        return "derived" if any(source.startswith("derived") for source in self.sources.values()) else "reported"


class Cost(msgspec.Struct, frozen=True):
    usd: float
    source: str  # "reported: usage.cost", "prices: MODEL" (the configuration), "genai-prices: PROVIDER/MODEL"


class Timing(msgspec.Struct, frozen=True):
    """From the arrival times of the response's bytes. Milliseconds; None: not a stream, or not known."""

    ttft_ms: float | None = None  # from the exchange's start to the first content
    tokens_per_s: float | None = None  # output tokens, from the first content to the last
    gap_p50_ms: float | None = None  # between one piece of content and the next
    gap_p99_ms: float | None = None
    gap_max_ms: float | None = None


class ProviderError(msgspec.Struct, frozen=True):
    """What the provider said instead of an answer, or in the middle of one."""

    type: str | None
    code: str | None
    message: str


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a streamed answer: what one event added."""

    at_ms: float | None  # since the exchange's start
    kind: Literal["text", "reasoning", "tool_call", "refusal"]
    text: str


class LlmCall(msgspec.Struct, frozen=True, kw_only=True):
    provider: str | None = None  # "openai", "anthropic", "openrouter", ...
    provider_source: Literal["route", "host", "model"] | None = None
    dialect: str  # "openai.chat", ...
    operation: str  # "chat", "text_completion", "embeddings", "generate_content" (OpenTelemetry's names)
    model: str | None = None  # as asked
    response_model: str | None = None  # as served
    response_id: str | None = None
    stream: bool = False
    parameters: dict[str, Any] = {}  # of the request: all but the model, messages and tools
    tools: tuple[Tool, ...] = ()
    input: tuple[Message, ...] = ()
    output: tuple[Message, ...] = ()  # one per choice
    finish_reason: str | None = None  # of the first choice, as the provider says it
    usage: Usage = Usage()
    cost: Cost | None = None
    timing: Timing = Timing()
    error: ProviderError | None = None
    truncated: bool = False  # the answer lacks its end
    problems: tuple[str, ...] = ()  # what could not be decoded, in words
    session: str | None = None  # the name that the client gave to the conversation
    session_source: str | None = None  # "header: x-session-id", "metadata.user_id", "user", ...
    previous_response_id: str | None = None
