"""`/v1.0/webhooks/types`: the catalogue."""

from shared.api import flow_schemas
from shared.api.http.call import Call, Reply
from shared.api.http.problem import bad_request, not_found
from shared.api.views import Catalogue, TypeSchema, catalogue_entry
from shared.model.catalogue import CATALOGUE, publish_problem, type_problem


def list_all(call: Call) -> Reply:
    """Every event type with its content schema and a sample."""
    asked = call.query("publishable")
    if asked not in (None, "true", "false"):
        raise bad_request("?publishable= must be true or false")
    known = [each for each in CATALOGUE.values() if asked != "true" or not publish_problem(each.name, "caller")]
    return Reply(200, Catalogue(value=[catalogue_entry(each) for each in known]).shown())


def schema(call: Call) -> Reply:
    """What arrives for a type, a prefix such as `storage.*`, or `*`, in words that a flow designer reads."""
    name = call.path("type")
    problem = type_problem(name)
    if problem:
        raise not_found(problem)
    shown = TypeSchema(
        type=name,
        notification_schema=flow_schemas.of_notification([name]),
        content_schema=flow_schemas.of_content([name]),
    )
    return Reply(200, shown.shown())
