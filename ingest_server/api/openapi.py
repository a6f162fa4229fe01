"""The OpenAPI 3.1 document of the ingest server, made of the table of its endpoints and of the types that they answer.

Called by the app, once.
"""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from ingest_server.api.operation import JSON, TEXT, Answer, Operation
from ingest_server.api.parameters import PLACES
from ingest_server.guard import OPEN
from ingest_server.index.filters import Parameter

_DESCRIPTION: Final = """\
What the LLM flight recorder has recorded. Every error is plain text that says what is wrong and what to do.
Where the server has keys, every endpoint but /health wants one. GET is answered to HEAD as well, without the body, but
for /v1/live. docs/api.md has an example of each endpoint.
"""

_braced = re.compile(r"\{(\w+)\}").findall


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM flight recorder: ingest server", "version": _version(), "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-recorder-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"bearer": []}, {}],
    }


def _described(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    """Adds to `schemas` the types that it refers to."""
    places = {place.name: place for place in PLACES}
    parameters = [_parameter(places[name], "path", required=True) for name in _braced(operation.path)]
    parameters += [_parameter(each, "query") for each in operation.query]
    parameters += [_parameter(each, "header") for each in operation.headers]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {str(status): _answer(answer, schemas) for status, answer in operation.answers.items()},
    }
    if operation.body is not None:
        described["requestBody"] = {**_answer(operation.body, schemas), "required": False}
    if operation.guarded_as == OPEN:
        described["security"] = []
    return described


def _parameter(parameter: Parameter, place: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": place,
        "required": required,
        "description": parameter.help,
        "schema": parameter.kind.schema,
        "example": _example(parameter),
    }


def _example(parameter: Parameter) -> Any:
    is_number = parameter.kind.schema.get("type") in ("integer", "number")
    return msgspec.json.decode(parameter.example) if is_number else parameter.example


def _answer(answer: Answer, schemas: dict[str, Any]) -> dict[str, Any]:
    if answer.content_type not in (JSON, TEXT):
        return {"description": answer.text, "content": {answer.content_type: {}}}
    (schema,), found = msgspec.json.schema_components([answer.shape], ref_template="#/components/schemas/{name}")
    schemas |= found
    return {"description": answer.text, "content": {answer.content_type: {"schema": schema}}}


def _version() -> str:
    try:
        return version("llm-flight-recorder")
    except PackageNotFoundError:
        return "0"  # from a folder that was never installed
