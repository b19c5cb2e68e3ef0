"""The queries that lists of deliveries are narrowed by."""

from typing import get_args

from shared.api.http.call import Request
from shared.api.http.operation import query
from shared.api.http.problem import bad_request
from shared.model import ENDPOINT_ID, Status

ENDPOINT = query("endpoint", "An endpoint's id, in any case", {"type": "string", "pattern": "^[A-Za-z2-7]{26}$"})
STATUS = query("status", "Only deliveries of this status", {"$ref": "#/components/schemas/DeliveryStatus"})
TYPE = query("type", "Only deliveries of this event type, exactly")


def endpoint(request: Request) -> str | None:
    """The id that `endpoint` gives. Raises Problem 400 where it is none."""
    text = request.query("endpoint")
    if text is not None and not ENDPOINT_ID.fullmatch(text.upper()):
        raise bad_request("?endpoint= must be an endpoint's id, 26 letters and digits, not its URL")
    return None if text is None else text.upper()


def status(request: Request) -> Status | None:
    """The status that `status` gives. Raises Problem 400 where it is none."""
    found: Status | None = request.one_of("status", get_args(Status))
    return found
