"""Events as the API shows them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared import model
from shared.api.delivery_views import EXAMPLE_DELIVERY_ID, EXAMPLE_KEY, DeliveryStatus
from shared.api.endpoint_views import EXAMPLE_ID
from shared.api.http.problem import ProblemBody, problem_example
from shared.api.http.view import Component, Count, FreeObject, Severity, Time, View, example
from shared.model.catalogue import CATALOGUE

_TYPE = CATALOGUE["storage.threshold_exceeded"]
EXAMPLE_EVENT: dict[str, Any] = {
    "type": _TYPE.name,
    "content": _TYPE.sample,
    "meta": {"timeStamp": "2026-11-22T10:00:00Z", "idempotencyKey": EXAMPLE_KEY},
    "severity": "high",
    "tenant": {
        "id": "contoso",
        "displayName": "Contoso",
        "microsoftTenantId": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    },
}


class Accepted(View):
    model_config = example({"idempotencyKey": EXAMPLE_KEY, "deliveries": 2, "duplicate": False})

    idempotency_key: str
    deliveries: Annotated[Count, Field(description="How many endpoints matched")]
    duplicate: Annotated[bool, Field(description="The event was known already: nothing is delivered twice")]


AcceptedBatch = Annotated[list[Accepted], Component("AcceptedBatch")]


class NotTaken(View):
    """An event of an array for which there was no room."""

    model_config = example({"index": 95, "idempotencyKey": "hr-90-103"})

    index: Annotated[Count, Field(description="Its place in the array, from 0")]
    idempotency_key: str


class EventConflict(ProblemBody):
    """A problem that also tells which events of an array were accepted, and for which there was no room."""

    model_config = problem_example(
        409,
        "conflict",
        f"[1]: The idempotency key {EXAMPLE_KEY} belongs to an event of another type or content",
        accepted=[{"idempotencyKey": "hr-90-8", "deliveries": 2, "duplicate": False}],
    )

    accepted: Annotated[list[Accepted], Field(description="The events of an array that were accepted")] | None = None
    rest: Annotated[list[NotTaken], Field(description="The events of an array to be sent again")] | None = None


class TooManyDeliveries(ProblemBody):
    """A problem of an array that was taken in part."""

    model_config = problem_example(
        429,
        "too-many",
        "5 of 100 events were not taken: send those of `rest` again",
        accepted=[{"idempotencyKey": "hr-90-8", "deliveries": 21, "duplicate": False}],
        rest=[{"index": 95, "idempotencyKey": "hr-90-103"}],
    )

    accepted: Annotated[list[Accepted], Field(description="The events that were accepted, as in a 202")]
    rest: Annotated[list[NotTaken], Field(description="The events to be sent again")]


class EventLine(View):
    """An event in the list of the newest."""

    idempotency_key: str
    type: str
    severity: Severity
    accepted_at: Time
    deliveries: Annotated[Count, Field(description="How many endpoints matched")]


class EventList(View):
    model_config = example(
        {
            "value": [
                {
                    "idempotencyKey": EXAMPLE_KEY,
                    "type": _TYPE.name,
                    "severity": "high",
                    "acceptedAt": "2026-11-22T10:00:00.467Z",
                    "deliveries": 2,
                }
            ],
            "continuation": "ZXZlbnRzLTAxQTIw",
        }
    )

    value: list[EventLine]
    continuation: Annotated[str, Field(description="For the next page; absent on the last")] | None = None


class Meta(View):
    time_stamp: Annotated[str, Field(description="As received; without a zone it is UTC")]
    idempotency_key: str


class EventDelivery(View):
    id: str
    endpoint_id: str
    status: DeliveryStatus


class Event(View):
    model_config = example(
        {
            **EXAMPLE_EVENT,
            "deliveries": [{"id": EXAMPLE_DELIVERY_ID, "endpointId": EXAMPLE_ID, "status": "failed"}],
        }
    )

    type: str
    content: Annotated[FreeObject, Field(description="As received")]
    meta: Meta
    severity: Severity
    tenant: model.Tenant | None = None
    publisher: (
        Annotated[
            str,
            Field(
                description="Who published it: the object id (`oid`) of a caller, or `tenant-hooks` for the app; "
                "absent for what a version accepted that kept none"
            ),
        ]
        | None
    ) = None
    other_publishers: (
        Annotated[list[str], Field(description="Who else used the key in that week: name one with `?publisher=`")]
        | None
    ) = None
    erased: Annotated[Literal[True], Field(description="The content was erased")] | None = None
    deliveries: list[EventDelivery]
