"""The OpenAPI document: every endpoint is in it, and what it says of types and parameters is what the code says."""

import jsonschema
import msgspec
from aiohttp import ClientSession
from schemathesis.specs.openapi.definitions import OPENAPI_31

from ingest_server.api.openapi import document
from ingest_server.api.operations import OPERATIONS
from ingest_server.index.filters import PARAMETERS


async def test_the_document_is_served_and_lists_every_endpoint_once(client: ClientSession) -> None:
    async with client.get("/openapi.json") as reply:
        served = await reply.json()
        assert (reply.status, reply.content_type) == (200, "application/json")
    assert served == document(OPERATIONS)
    assert served["openapi"] == "3.1.0"
    listed = [(method, path) for path, methods in served["paths"].items() for method in methods]
    assert listed == [(each.method.lower(), each.path) for each in OPERATIONS]
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)


def test_a_list_takes_the_filters_of_the_index_each_with_its_schema_and_an_example() -> None:
    described = document(OPERATIONS)["paths"]["/v1/exchanges"]["get"]["parameters"]
    by_name = {each["name"]: each for each in described}
    assert list(by_name) == [*(each.name for each in PARAMETERS), "limit", "cursor"]
    for each in PARAMETERS:
        assert by_name[each.name]["schema"] == each.kind.schema
        assert by_name[each.name]["description"] == each.help


def test_the_document_is_one_of_openapi_3_1_and_its_examples_are_what_it_asks_for() -> None:
    described = msgspec.json.decode(msgspec.json.encode(document(OPERATIONS)))
    jsonschema.Draft202012Validator(OPENAPI_31).validate(described)
    for path in described["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                jsonschema.Draft202012Validator(parameter["schema"]).validate(parameter["example"])


def test_every_type_that_is_referred_to_is_described() -> None:
    described = document(OPERATIONS)
    names = set(described["components"]["schemas"])
    assert {"ExchangeSummary", "CallSummary", "ExchangeDetail", "CallDetail", "Metadata", "StreamEvents"} <= names
    assert _references(described) <= {f"#/components/schemas/{name}" for name in names}


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()
