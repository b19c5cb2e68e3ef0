"""What generators of clients (Kiota, NSwag, openapi-python-client, openapi-typescript) need of `/openapi.json`, to make
clients that compile, that take every value, and that a person would have written so."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from shared.api.http.operation import Tag

Json = dict[str, Any]
_NAMES_OF_VALUES = ("example", "examples", "default", "enum", "const")


def schemas(described: Json) -> Iterator[tuple[str, Json]]:
    """Every schema of the description, whatever it stands in, with the way to it."""
    for name, component in described["components"]["schemas"].items():
        yield from within(component, name)
    yield from in_schemas(described["paths"], "paths")


def in_schemas(value: Any, where: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from in_schemas(each, f"{where}/{at}")
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "schema":
                yield from within(each, f"{where}/{key}")
            elif key not in _NAMES_OF_VALUES:
                yield from in_schemas(each, f"{where}/{key}")


def within(schema: Json, where: str) -> Iterator[tuple[str, Json]]:
    yield where, schema
    for name, field in schema.get("properties", {}).items():
        yield from within(field, f"{where}/{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from within(schema[key], f"{where}/{key}")
    for key in ("oneOf", "anyOf", "allOf"):
        for at, each in enumerate(schema.get(key, ())):
            yield from within(each, f"{where}/{key}/{at}")


def operations(described: Json) -> Iterator[Json]:
    for methods in described["paths"].values():
        yield from methods.values()


def test_numbers_say_how_large_they_get(described: Json) -> None:
    """Without a format, typed clients take 32 bits: they failed on the description's own example of a site."""
    whole = {where: schema for where, schema in schemas(described) if schema.get("type") == "integer"}
    assert whole
    assert {schema.get("format") for schema in whole.values()} == {"int32", "int64"}
    site = described["components"]["schemas"]["ListedSite"]["properties"]
    assert [site[name]["format"] for name in ("currentUsage", "quota")] == ["int64", "int64"]
    for schema in described["components"]["schemas"].values():
        for name, field in schema.get("properties", {}).items():
            for example in schema.get("examples", ()):
                if field.get("format") == "int32" and name in example:
                    assert example[name] < 2**31


def test_what_may_be_null_is_no_type_of_its_own(described: Json) -> None:
    for where, schema in schemas(described):
        assert "anyOf" not in schema, where
        if {"type": "null"} in schema.get("oneOf", ()):
            assert len(schema["oneOf"]) == 2, where
            assert "$ref" in schema["oneOf"][1], where
        if "null" in schema.get("type", ()) and schema != {"type": "null"}:
            assert isinstance(schema["type"], list), where
            assert schema["type"][1:] == ["null"], where


def test_an_enumeration_that_may_be_null_names_null(described: Json) -> None:
    for where, schema in schemas(described):
        if "enum" in schema:
            assert (None in schema["enum"]) is ("null" in schema["type"]), where


def test_unions_are_of_names(described: Json) -> None:
    """The two that are left: one or many, and a delivery or a message that was none."""
    for where, schema in schemas(described):
        for option in schema.get("oneOf", ()):
            assert "$ref" in option or option["type"] in ("null", "string"), where


def test_operations_are_named_as_methods_are(described: Json) -> None:
    """NSwag makes classes of what stands before an underscore, and a client that does not compile."""
    names = [operation["operationId"] for operation in operations(described)]
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name)] == []
    assert len({name.lower() for name in names}) == len(names)


def test_every_operation_may_end_in_a_problem(described: Json) -> None:
    for operation in operations(described):
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    problem = described["components"]["schemas"]["Problem"]
    assert problem["properties"]["detail"]["x-ms-primary-error-message"] is True
    content = described["components"]["responses"]["Problem"]["content"]
    assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_a_component_is_called_by_its_title(described: Json) -> None:
    for name, component in described["components"]["schemas"].items():
        assert component["title"] == name


def test_no_object_and_no_batch_is_without_a_name(described: Json) -> None:
    named = described["components"]["schemas"].keys()
    for where, schema in schemas(described):
        if schema.get("type") == "object":
            assert where in named, where
        if schema.get("type") == "array" and "/schema/oneOf" in where:
            raise AssertionError(where)
    expected = (
        "EventBatch AcceptedBatch Severity DeliveryStatus WireFormat Auth AppHealth UnhealthyApp FreeObject Problem"
    )
    assert set(expected.split()) <= named


def test_an_enumeration_that_stands_in_two_places_is_a_component(described: Json) -> None:
    counts = Counter(json.dumps(schema["enum"]) for _, schema in schemas(described) if "enum" in schema)
    assert [values for values, count in counts.items() if count > 1] == []


def test_what_can_say_auth_is_one_flat_object(described: Json) -> None:
    auth = described["components"]["schemas"]["Auth"]
    assert auth["properties"].keys() == {"type", "headers", "username", "password", "audience"}
    assert auth["properties"]["type"]["enum"] == ["none", "headers", "basic", "entra"]
    assert auth["required"] == ["type"]


def test_an_answer_of_success_is_no_error_too(described: Json) -> None:
    """Kiota makes an exception of every model that an answer of 4xx or 5xx has."""
    good: set[str] = set()
    bad: set[str] = set()
    for operation in operations(described):
        for status, response in operation["responses"].items():
            text = json.dumps(response)
            found = set(re.findall(r"#/components/schemas/(\w+)", text))
            (good if status.startswith("2") else bad).update(found)
    assert good & bad == set()


def test_parameters_have_a_plain_type(described: Json) -> None:
    for operation in operations(described):
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            assert "$ref" in schema or schema["type"] in ("string", "integer", "number"), parameter["name"]


def test_tags_are_listed_and_used(described: Json) -> None:
    assert [tag["name"] for tag in described["tags"]] == list(Tag)
    assert all(tag["description"] for tag in described["tags"])
    assert {tag for operation in operations(described) for tag in operation["tags"]} == set(Tag)
