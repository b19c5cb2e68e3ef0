"""`/openapi.json`: valid OpenAPI 3.1 of exactly the routes there are."""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from shared.api.http.auth import Role
from shared.api.http.call import Request, Response
from shared.api.http.openapi import document
from shared.api.http.operation import operation_of
from shared.api.http.problem import PREFIX, TITLES
from shared.api.http.routing import Route
from shared.api.http.schemas import Schemas
from shared.api.http.view import View
from shared.model import Model
from shared.model.provisioning import KINDS

Json = dict[str, Any]
M = TypeVar("M", bound=BaseModel)


def operations(described: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolved(described: Json, reference: str) -> Json:
    found: Any = described
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    assert isinstance(found, dict)
    return found


def in_place(described: Json, response: Json) -> Json:
    return resolved(described, response["$ref"]) if "$ref" in response else response


def test_it_is_valid_openapi(described: Json) -> None:
    OpenAPIV31SpecValidator(described).validate()
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_it_has_every_route_and_nothing_else(described: Json, routes: list[Route]) -> None:
    assert {(method, path) for method, path, _ in operations(described)} == {
        (route.method, "/" + route.path) for route in routes
    }


def test_it_says_which_roles_an_operation_takes(described: Json, routes: list[Route]) -> None:
    roles = {(route.method, "/" + route.path): route.roles for route in routes}
    for method, path, operation in operations(described):
        needed = roles[method, path]
        assert operation["x-roles"] == (sorted({Role.ADMIN, *needed}) if needed else [])
        assert operation["security"] == ([{"entra": []}] if needed else [])
        assert all(role in operation["description"] for role in operation["x-roles"])
        assert ({"401", "403"} <= operation["responses"].keys()) is bool(needed)


def test_who_may_read_sites_may_not_touch_thresholds(described: Json) -> None:
    paths = described["paths"]
    assert paths["/v1.0/storage/sites"]["get"]["x-roles"] == [Role.ADMIN, Role.READ]
    for operation in paths["/v1.0/storage/thresholds"].values():
        assert operation["x-roles"] == [Role.ADMIN]


def test_every_reference_resolves_and_every_schema_is_referred_to(described: Json) -> None:
    used = set(references(described))
    for reference in used:
        resolved(described, reference)
    assert {f"#/components/schemas/{name}" for name in described["components"]["schemas"]} <= used


def bodies(described: Json) -> Iterator[tuple[str, Json]]:
    """The schema of every body, with a name to tell it by."""
    for method, path, operation in operations(described):
        if "requestBody" in operation:
            yield f"{method} {path}", operation["requestBody"]["content"]["application/json"]["schema"]
        for status, response in operation["responses"].items():
            for content in in_place(described, response).get("content", {}).values():
                yield f"{method} {path} {status}", content["schema"]


def test_every_body_has_an_example(described: Json) -> None:
    def has_example(schema: Json) -> bool:
        if "$ref" in schema:
            return "examples" in resolved(described, schema["$ref"])
        inner = schema.get("oneOf") or [schema["items"]] if schema.get("type") != "null" else []
        return any(map(has_example, inner))

    for name, schema in bodies(described):
        if not name.startswith("GET /openapi.json 200"):
            assert has_example(schema), name


def test_an_example_is_valid(described: Json) -> None:
    found = {name: schema for name, schema in described["components"]["schemas"].items() if "examples" in schema}
    assert len(found) > 20
    for name, component in found.items():
        schema = {**described, "$ref": f"#/components/schemas/{name}"}
        for example in component["examples"]:
            jsonschema.Draft202012Validator(schema).validate(example)


def kinds_of(model: type[M]) -> Iterator[type[M]]:
    for kind in model.__subclasses__():
        yield kind
        yield from kinds_of(kind)


def examples_of(model: type[BaseModel]) -> list[Json]:
    extra = model.model_config.get("json_schema_extra")
    examples: Any = extra.get("examples", []) if isinstance(extra, dict) else []
    return list(examples)


def test_an_example_of_an_answer_is_shown_as_it_is(routes: list[Route]) -> None:
    shown = [(kind, example) for kind in kinds_of(View) for example in examples_of(kind)]
    assert len(shown) > 15
    for kind, example in shown:
        assert kind.model_validate(example).shown() == example


def test_an_example_of_a_request_is_taken(routes: list[Route]) -> None:
    taken = [(kind, example) for kind in kinds_of(Model) for example in examples_of(kind)]
    assert len(taken) > 8
    for kind, example in taken:
        kind.model_validate(example)


def test_parameters_of_a_path_are_described(described: Json) -> None:
    for _, path, operation in operations(described):
        in_path = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
        assert in_path == re.findall(r"\{(\w+)\}", path)


def test_a_refusal_is_a_problem_that_there_is(described: Json) -> None:
    for response in described["components"]["responses"].values():
        content = response["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        if "example" not in content:
            continue  # the answer with any other status
        assert content["example"]["type"].removeprefix(PREFIX) in TITLES
        schema = {**described, **content["schema"]}
        jsonschema.Draft202012Validator(schema).validate(content["example"])


def test_no_answer_is_null_but_that_to_a_registration(described: Json) -> None:
    answered = {name: schema for name, schema in bodies(described) if name.rpartition(" ")[2].isdigit()}
    with_null = {name for name, schema in answered.items() if allows_null(described, schema)}
    assert with_null == {"POST /v1.0/webhooks/endpoints 200"}


def allows_null(described: Json, schema: Any) -> bool:
    if isinstance(schema, dict):
        if "null" in schema.get("type", ()):
            return True
        inner = [resolved(described, schema["$ref"])] if "$ref" in schema else []
        named = schema.get("properties", {}).values()
        rest = [schema[key] for key in ("oneOf", "items") if key in schema]
        return any(allows_null(described, each) for each in [*inner, *named, *rest])
    return isinstance(schema, list) and any(allows_null(described, each) for each in schema)


def test_headers_that_matter_are_described(described: Json) -> None:
    responses = described["components"]["responses"]
    assert {name: [*response["headers"]] for name, response in responses.items() if "headers" in response} == {
        "Unauthenticated": ["WWW-Authenticate"],
        "Unavailable": ["Retry-After"],
    }
    registering = described["paths"]["/v1.0/webhooks/endpoints"]["post"]
    assert "Location" in registering["responses"]["200"]["headers"]
    sent = {
        (parameter["name"], operation["operationId"])
        for _, _, operation in operations(described)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "header"
    }
    assert sent == {
        ("Prefer", "endpointRegister"),
        ("Idempotency-Key", "endpointReplay"),
        *(("Idempotency-Key", f"workspaceProvision{kind.capitalize()}") for kind in KINDS),
        ("If-Match", "storageThresholdPut"),
        ("traceparent", "eventPublish"),
    }


def test_a_route_without_an_operation_is_not_passed_over() -> None:
    def handler(request: Request) -> Response:
        return Response(200)

    with pytest.raises(KeyError):
        document([Route("thing_list", "GET", "v1.0/things", handler, (Role.READ,))])


def test_models_of_one_name_are_not_confused(routes: list[Route]) -> None:
    told = [operation_of(route.handler) for route in routes]
    kinds = [operation.body for operation in told if operation.body]
    answered = [answer.body for operation in told for answer in operation.answers.values() if answer.body]
    assert not any("__" in name for name in Schemas(kinds, answered).components)  # pydantic's way out of a clash
