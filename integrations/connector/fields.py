"""Parameters of the connector's operations, as forms show them."""

from typing import Any

from pydantic import BaseModel

from integrations.connector.schemas import KEPT, schema_of
from integrations.connector.wording import FIELDS
from shared.api.flow_schemas import title
from shared.api.http.operation import Handler, operation_of

Json = dict[str, Any]

_NOT_IN_A_FLOW = {"auth"}
"""Secrets are said to the API itself, not to a flow that keeps them in its run history."""


def body(model: type[BaseModel], **more: Json) -> Json:
    """A request's body: this model, with `more` said of some of its fields."""
    schema = schema_of(model)
    schema.pop("description", None)  # the model's own, which is about the API
    for name in _NOT_IN_A_FLOW & schema["properties"].keys():
        del schema["properties"][name]
    _describe(schema)
    for name, field in schema["properties"].items():
        required = name in schema.get("required", ())
        field |= {"x-ms-visibility": "important" if required else "advanced", **more.get(name, {})}
    if "callbackUrl" in schema["properties"]:
        schema["properties"]["callbackUrl"] |= {"x-ms-visibility": "internal", "x-ms-notification-url": True}
    return {"name": "body", "in": "body", "required": True, "schema": schema}


def _describe(schema: Json) -> None:
    for name, field in schema["properties"].items():
        field["description"] = FIELDS[name]
        if field.get("properties"):
            _describe(field)


def dropdown(**parameters: Any) -> Json:
    """Event types to choose from."""
    values = {"operationId": "ListEventTypes", "value-collection": "value", "value-path": "type"}
    return {"x-ms-dynamic-values": {**values, "value-title": "title", "parameters": parameters}}


def dynamic(member: str, parameter: str, reference: str) -> Json:
    """A schema by type, in both versions of the extension: older designers know only the first."""
    asked = {"operationId": "GetEventSchema"}
    return {
        "x-ms-dynamic-schema": {**asked, "parameters": {"type": {"parameter": parameter}}, "value-path": member},
        "x-ms-dynamic-properties": {
            **asked,
            "parameters": {"type": {"parameterReference": reference}},
            "itemValuePath": member,
        },
    }


def api_queries(handler: Handler) -> dict[str, Json]:
    """The queries of an operation by name, as the API describes them."""
    return {each["name"]: _as_described(each) for each in operation_of(handler).parameters if each["in"] == "query"}


def api_query(handler: Handler, name: str) -> Json:
    """A query as the API describes it."""
    return api_queries(handler)[name]


def _as_described(parameter: Json) -> Json:
    schema = {key: value for key, value in parameter["schema"].items() if key in KEPT}
    return query(parameter["name"], parameter["description"], **{"type": "string", **schema})


def query(name: str, description: str, important: bool = False, **schema: Any) -> Json:
    """A query parameter."""
    said = {"x-ms-summary": title(name), "description": description}
    visible = {"x-ms-visibility": "important"} if important else {}
    return {"name": name, "in": "query", "required": False, "type": "string", **schema, **said, **visible}


def path(name: str, description: str = "Of the subscription") -> Json:
    """A part of the path."""
    said = {"x-ms-summary": title(name), "description": description, "x-ms-url-encoding": "single"}
    return {"name": name, "in": "path", "required": True, "type": "string", **said}
