"""What is compared of an answer: a document in one form, whichever dialect said it and however it was streamed.

    {"model", "text", "reasoning", "tool_calls": [{"name", "arguments"}], "tool_results", "media", "finish_reason",
     "error", "truncated"}

Left out is what there is none of. Arguments are read as JSON; ids are not in it. With several choices `text` is a list.
DECODED lists which parts of a whole answer's own JSON are said in this form, so that they are not compared twice.
Called by compare.py.
"""

from typing import Any, Final

import msgspec

from replay.masks import read_json
from traffic.llm.call import LlmCall, Media, Reasoning, ToolCall, ToolResult

_CHOICES: Final = ("model", "choices[0].finish_reason", "usage")
_ERROR: Final = ("error['type','code','message']",)

DECODED: Final[dict[str, tuple[str, ...]]] = {
    "openai.chat": (
        *_ERROR,
        *_CHOICES,
        "choices[*].message['content','refusal','tool_calls','function_call']",
        "choices[*].message['reasoning_content','reasoning','reasoning_details']",
    ),
    "openai.completions": (*_ERROR, *_CHOICES, "choices[*].text"),
    "openai.embeddings": (*_ERROR, "model", "usage"),
    "openai.responses": (
        *_ERROR,
        "model",
        "usage",
        "status",
        "incomplete_details",
        "output_text",
        "output[*]['name','arguments','input','summary']",
        "output[*].content[*]['text','refusal']",
    ),
    "anthropic.messages": (
        *_ERROR,
        "model",
        "usage",
        "stop_reason",
        "content[*]['text','thinking','name','input']",
    ),
    "gemini.generate_content": (
        *_ERROR,
        "modelVersion",
        "usageMetadata",
        "candidates[0].finishReason",
        "candidates[*].content.parts[*]['text','functionCall']",
    ),
    "gemini.embeddings": (*_ERROR, "usageMetadata"),
    "ollama.chat": (
        *_ERROR,
        "model",
        "done_reason",
        "prompt_eval_count",
        "eval_count",
        "message['content','thinking','tool_calls']",
    ),
    "ollama.generate": (*_ERROR, "model", "done_reason", "prompt_eval_count", "eval_count", "response", "thinking"),
}


def answer_form(call: LlmCall) -> dict[str, Any]:
    parts = [part for message in call.output for part in message.parts]
    texts = [message.text for message in call.output]
    form = {
        "model": call.response_model,
        "text": texts[0] if len(texts) == 1 else texts,
        "reasoning": "".join(part.text for part in parts if isinstance(part, Reasoning)),
        "tool_calls": [
            {"name": part.name, "arguments": _value(part.arguments)} for part in parts if isinstance(part, ToolCall)
        ],
        "tool_results": [
            {"text": part.text, "is_error": part.is_error} for part in parts if isinstance(part, ToolResult)
        ],
        "media": [msgspec.to_builtins(part) for part in parts if isinstance(part, Media)],
        "finish_reason": call.finish_reason,
        "error": msgspec.to_builtins(call.error),
        "truncated": call.truncated,
    }
    return {name: value for name, value in form.items() if value}


def _value(arguments: str) -> Any:
    """What is no JSON, because the model failed or the answer was cut, stays text."""
    try:
        return read_json(arguments.encode("utf-8", "replace"))
    except ValueError:
        return arguments
