"""`/v1.0/webhooks/types`: the catalogue."""

from shared.api import flow_schemas
from shared.api.http.call import Request, Response
from shared.api.http.problem import bad_request, not_found
from shared.api.views import Catalogue, TypeSchema, catalogue_entry
from shared.model.catalogue import CATALOGUE, publish_problem, type_problem


def list_all(request: Request) -> Response:
    """Every event type with its content schema and a sample."""
    asked = request.query("publishable")
    if asked not in (None, "true", "false"):
        raise bad_request("?publishable= must be true or false")
    known = [each for each in CATALOGUE.values() if asked != "true" or not publish_problem(each.name, "caller")]
    return Response(200, Catalogue(value=[catalogue_entry(each) for each in known]).shown())


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
