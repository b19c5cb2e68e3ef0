"""`/v1.0/webhooks/types`: the catalogue."""

from typing import Annotated

from pydantic import Field

from shared.api import flow_schemas
from shared.api.http.call import Request, Response
from shared.api.http.operation import Returns, Tag, operation, path, query
from shared.api.http.problem import bad_request, not_found
from shared.api.http.view import FreeObject, Severity, View, example
from shared.model.catalogue import ASKED_TYPE_SCHEMA, CATALOGUE, EventType, publish_problem, type_problem

_EXAMPLE = CATALOGUE["storage.threshold_exceeded"]


class CatalogueEntry(View):
    type: str
    title: str
    description: str
    severity: Severity
    content_schema: Annotated[FreeObject, Field(alias="schema", description="JSON Schema (2020-12) of the content")]
    sample: FreeObject


def catalogue_entry(known: EventType) -> CatalogueEntry:
    return CatalogueEntry(
        type=known.name,
        title=known.title,
        description=known.description,
        severity=known.severity,
        content_schema=known.schema,
        sample=known.sample,
    )


class Catalogue(View):
    model_config = example({"value": [catalogue_entry(_EXAMPLE).shown()]})

    value: list[CatalogueEntry]


class TypeSchema(View):
    """JSON Schemas in the plain words that flow designers read: no references, no alternatives."""

    model_config = example(
        {
            "type": _EXAMPLE.name,
            "schema": flow_schemas.of_notification([_EXAMPLE.name]),
            "contentSchema": flow_schemas.of_content([_EXAMPLE.name]),
        }
    )

    type: str
    notification_schema: Annotated[
        FreeObject, Field(alias="schema", description="Of what a receiver gets, in the wire format `point`")
    ]
    content_schema: Annotated[FreeObject, Field(description="Of the event's content alone")]


@operation(
    "Read the catalogue",
    tag=Tag.EVENTS,
    answers={200: Returns("Every event type", Catalogue)},
    parameters=(
        query("publishable", "`true`: only those that callers publish", {"type": "string", "enum": ["true", "false"]}),
    ),
)
def list_all(request: Request) -> Response:
    """Every event type with its content schema and a sample."""
    asked = request.query("publishable")
    if asked not in (None, "true", "false"):
        raise bad_request("?publishable= must be true or false")
    known = [each for each in CATALOGUE.values() if asked != "true" or not publish_problem(each.name, "caller")]
    return Response(200, Catalogue(value=[catalogue_entry(each) for each in known]).shown())


@operation(
    "Read what arrives for a type",
    tag=Tag.EVENTS,
    answers={200: Returns("Of the type, the types of a prefix, or any", TypeSchema)},
    description="For flow designers, which read no more than plain JSON Schema.",
    parameters=(path("type", "A type, a prefix such as `storage.*`, or `*`", ASKED_TYPE_SCHEMA),),
)
def schema(request: Request) -> Response:
    """What arrives for a type, a prefix such as `storage.*`, or `*`, in words that a flow designer reads."""
    name = request.path("type")
    problem = type_problem(name)
    if problem:
        raise not_found(problem)
    shown = TypeSchema(
        type=name,
        notification_schema=flow_schemas.of_notification([name]),
        content_schema=flow_schemas.of_content([name]),
    )
    return Response(200, shown.shown())
