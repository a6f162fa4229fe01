"""One file per dialect. `BUILT_IN` is the ordered list of them: the first that matches a request decodes it."""

from traffic.llm.dialect import Dialect
from traffic.llm.dialects.anthropic_messages import AnthropicMessages
from traffic.llm.dialects.gemini import Gemini
from traffic.llm.dialects.ollama_chat import OllamaChat
from traffic.llm.dialects.ollama_generate import OllamaGenerate

BUILT_IN: tuple[Dialect, ...] = (
    AnthropicMessages(),
    Gemini(),
    OllamaChat(),
    OllamaGenerate(),
)
