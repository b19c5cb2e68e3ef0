"""The queries that lists of deliveries are narrowed by."""

from typing import get_args

from shared.api.http.call import Request
from shared.api.http.operation import query
from shared.api.http.problem import bad_request
from shared.model import ENDPOINT_ID, Status
from shared.model.catalogue import publish_problem

ENDPOINT = query("endpoint", "An endpoint's id, in any case", {"type": "string", "pattern": "^[A-Za-z2-7]{26}$"})
STATUS = query("status", "Only deliveries of this status", {"$ref": "#/components/schemas/DeliveryStatus"})
TYPE = query("type", "Only deliveries of this event type, exactly")


def endpoint(request: Request) -> str | None:
    """The id that `endpoint` gives. Raises Problem 400 where it is none."""
    text = request.query("endpoint")
    if text is not None and not ENDPOINT_ID.fullmatch(text.upper()):
        raise bad_request("?endpoint= must be an endpoint's id, 26 letters and digits, not its URL")
    return None if text is None else text.upper()


def event_type(request: Request) -> str | None:
    """The type that `type` gives. Raises Problem 400 where no event can have it."""
    return possible_type(request.query("type"), "?type=")


def possible_type(name: str | None, field: str) -> str | None:
    """The type that was given in a field. Raises Problem 400 where no event can have it: an empty list, or a count of
    0, would tell nobody."""
    problem = None if name is None else publish_problem(name, "app")
    if problem:
        raise bad_request(f"{field} {problem}")
    return name


def status(request: Request) -> Status | None:
    """The status that `status` gives. Raises Problem 400 where it is none."""
    found: Status | None = request.one_of("status", get_args(Status))
    return found
