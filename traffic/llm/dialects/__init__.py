"""One file per dialect. `BUILT_IN` is the ordered list of them: the first that matches a request decodes it."""

from traffic.llm.dialect import Dialect
from traffic.llm.dialects.anthropic_messages import AnthropicMessages
from traffic.llm.dialects.gemini import Gemini
from traffic.llm.dialects.gemini_embeddings import GeminiEmbeddings
from traffic.llm.dialects.ollama_chat import OllamaChat
from traffic.llm.dialects.ollama_generate import OllamaGenerate
from traffic.llm.dialects.openai_chat import OpenAIChat
from traffic.llm.dialects.openai_completions import OpenAICompletions
from traffic.llm.dialects.openai_embeddings import OpenAIEmbeddings
from traffic.llm.dialects.openai_responses import OpenAIResponses

BUILT_IN: tuple[Dialect, ...] = (
    OpenAIChat(),
    OpenAICompletions(),
    OpenAIResponses(),
    OpenAIEmbeddings(),
    AnthropicMessages(),
    Gemini(),
    GeminiEmbeddings(),
    OllamaChat(),
    OllamaGenerate(),
)
