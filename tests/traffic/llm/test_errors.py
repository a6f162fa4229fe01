"""Whoever answers instead of the model, and however, what they said is found; an answer is no error."""

from typing import Any

import pytest

from traffic.llm.call import ProviderError
from traffic.llm.errors import provider_error


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {
                "error": {
                    "message": "No model",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "not_found",
                }
            },
            ProviderError("invalid_request_error", "not_found", "No model"),
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
            ProviderError("overloaded_error", None, "Overloaded"),
        ),
        (
            {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}},
            ProviderError("RESOURCE_EXHAUSTED", "429", "Quota exceeded"),
        ),
        (
            [{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}],
            ProviderError("INVALID_ARGUMENT", "400", "API key not valid"),
        ),
        ({"error": "model 'x' not found"}, ProviderError(None, None, "model 'x' not found")),
        ({"detail": "Not Found"}, ProviderError(None, None, "Not Found")),
        ({"detail": [{"loc": ["body"]}]}, ProviderError(None, None, '[{"loc":["body"]}]')),
        ({"message": "no route", "request_id": "7"}, ProviderError(None, None, "no route")),
        (
            {"object": "error", "message": "Too long", "type": "BadRequestError", "param": None, "code": 400},
            ProviderError("BadRequestError", "400", "Too long"),
        ),
        ({"type": "error", "message": "broken", "code": 500, "trace": 1}, ProviderError(None, "500", "broken")),
        ({"error": {"message": {"not": "text"}}}, ProviderError(None, None, "")),
        ({"error": None, "choices": []}, None),
        ({"message": {"role": "assistant"}, "done": True}, None),
        ({"message": {"role": "assistant"}}, None),
        ({}, None),
        ([], None),
        ("error", None),
        (None, None),
    ],
)
def test_an_error_is_read_in_whichever_words_it_comes(document: Any, expected: ProviderError | None) -> None:
    assert provider_error(document) == expected
