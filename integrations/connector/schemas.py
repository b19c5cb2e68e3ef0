"""Schemas of the API in the words of OpenAPI 2.0 that flow designers read: no references, no alternatives."""

import functools
from typing import Any

from pydantic import BaseModel

from shared.api.flow_schemas import title
from shared.api.http.schemas import Schemas
from shared.api.operations import OPERATIONS

Json = dict[str, Any]

KEPT = ("type", "format", "enum", "description", "default", "minimum", "maximum", "maxLength", "maxItems", "minItems")


def schema_of(model: type[BaseModel]) -> Json:
    """The schema of one of the API's models, as requests and answers have it."""
    return _plain({"$ref": model.__name__})


@functools.cache
def _schemas() -> Schemas:
    return Schemas(
        [operation.body for operation in OPERATIONS.values() if operation.body],
        [answer.body for operation in OPERATIONS.values() for answer in operation.answers.values() if answer.body],
    )


def _plain(schema: Json) -> Json:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        known = _schemas().components["Problem" if name == "ProblemBody" else name]
        return _plain({**known, **{key: value for key, value in schema.items() if key != "$ref"}})
    options = [_plain(each) for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(options) > 1 and all("properties" in each for each in options):
        options = [_merged(options)]
    made: Json = options[0] if len(options) == 1 else {"type": "string"} if options else {}
    made |= {key: schema[key] for key in KEPT if key in schema}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if "items" in schema:
        made["items"] = _plain(schema["items"])
    if "properties" in schema:
        fields = schema["properties"].items()
        made["properties"] = {name: {**_plain(field), "x-ms-summary": title(name)} for name, field in fields}
    if schema.get("required"):
        made["required"] = schema["required"]
    return made


def _merged(options: list[Json]) -> Json:
    """One object for all: the properties of any, of which those are required that all require."""
    properties: Json = {}
    for option in reversed(options):
        properties |= option["properties"]
    required = [name for name in properties if all(name in option.get("required", ()) for option in options)]
    return {"type": "object", "properties": properties, "required": required}
