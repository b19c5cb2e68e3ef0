"""Schemas of the API in the words of OpenAPI 2.0 that flow designers read: no references, no alternatives."""

from typing import Any

from pydantic import BaseModel

from shared.api.flow_schemas import title
from shared.api.http.schemas import Schemas
from shared.model import Model

Json = dict[str, Any]

KEPT = ("type", "format", "enum", "description", "default", "minimum", "maximum", "maxLength", "maxItems", "minItems")


def schema_of(model: type[BaseModel]) -> Json:
    """The schema of one of the API's models, as requests and answers have it."""
    schemas = Schemas([model], []) if issubclass(model, Model) else Schemas([], [model])
    return _plain(schemas.of(model), schemas.components)


def _plain(schema: Json, components: dict[str, Json]) -> Json:
    if "$ref" in schema:
        known = components[schema["$ref"].rpartition("/")[2]]
        return _plain({**known, **{key: value for key, value in schema.items() if key != "$ref"}}, components)
    options = [_plain(each, components) for each in schema.get("oneOf", ()) if each.get("type") != "null"]
    if len(options) > 1 and all("properties" in each for each in options):
        options = [_merged(options)]
    made: Json = options[0] if len(options) == 1 else {"type": "string"} if options else {}
    made |= {key: schema[key] for key in KEPT if key in schema}
    if isinstance(schema.get("type"), list):
        kinds = [kind for kind in schema["type"] if kind != "null"]
        made["type"] = kinds[0] if len(kinds) == 1 else "string"
        made |= {"enum": [value for value in schema["enum"] if value is not None]} if "enum" in schema else {}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if "items" in schema:
        made["items"] = _plain(schema["items"], components)
    if "properties" in schema:
        fields = schema["properties"].items()
        made["properties"] = {
            name: {**_plain(field, components), "x-ms-summary": title(name)} for name, field in fields
        }
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
