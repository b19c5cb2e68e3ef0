"""Deliveries, their attempts and the lines of the alert log as the API shows them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from shared import model
from shared.api.endpoint_views import EXAMPLE_ID
from shared.api.http.view import Component, Count, Time, View, example
from shared.model import DeliveryId, Status, from_ms
from shared.storage.alerts import Malformed
from shared.storage.deleted_endpoints import EndpointName

DeliveryStatus = Annotated[Status, Component("DeliveryStatus")]

EXAMPLE_DELIVERY_ID = f"01A2044DF0A3-S25PCEZUZCQLMVXHY4QEIKOIQY-{EXAMPLE_ID}"
EXAMPLE_KEY = "hr-90-7"
"""The delivery of which all examples tell, and the idempotency key of its event."""
_ATTEMPT: dict[str, Any] = {
    "number": 1,
    "startedAt": "2026-11-22T10:00:00.844Z",
    "durationMs": 246,
    "status": 500,
    "response": "no",
}
_FAILED: dict[str, Any] = {
    "id": EXAMPLE_DELIVERY_ID,
    "endpointId": EXAMPLE_ID,
    "host": "contoso.azurewebsites.net",
    "type": "storage.threshold_exceeded",
    "idempotencyKey": EXAMPLE_KEY,
    "status": "failed",
    "createdAt": "2026-11-22T10:00:00.467Z",
    "reason": "the receiver answered 500",
    "attempts": [_ATTEMPT],
}
_UNREADABLE: dict[str, Any] = {
    "id": "01A2045420C0-FTZE3OS7WCRQ4JXIHMVMLOPCTY",
    "status": "failed",
    "createdAt": "2026-11-22T17:35:52.000Z",
    "reason": "not a delivery message: body: is not JSON",
    "attempts": [],
    "message": "hello",
}


class Attempt(View):
    model_config = example(_ATTEMPT)

    number: Annotated[Count, Field(ge=1)]
    started_at: Time
    duration_ms: Count
    status: Annotated[Count, Field(description="Of the receiver's answer")] | None = None
    error: Annotated[str, Field(description="Why there was no answer")] | None = None
    response: Annotated[str, Field(description="The beginning of the receiver's answer")] | None = None


class Delivery(View):
    """One event on its way to one endpoint."""

    model_config = example(_FAILED)

    id: str
    endpoint_id: str
    endpoint_name: Annotated[str, Field(description="As it is called, or was before it was deleted")] | None = None
    host: Annotated[str, Field(description="Of the endpoint's URL")] | None = None
    type: str
    idempotency_key: str
    status: DeliveryStatus
    created_at: Time
    next_attempt_at: Time | None = None
    reason: str | None = None
    attempts: list[Attempt]


class MalformedMessage(View):
    """A line of the alert log that is no delivery: nothing but a message that could not be read."""

    model_config = example(_UNREADABLE)

    id: str
    status: Literal["failed"]
    created_at: Time
    reason: str
    attempts: Annotated[list[Attempt], Field(max_length=0)]
    message: Annotated[str, Field(description="The text that was on the queue")]


class DeliveryPage(View):
    model_config = example({"value": [_UNREADABLE, _FAILED], "continuation": "MDFBMjA0NERGMEEz"})

    value: list[Delivery | MalformedMessage]
    continuation: Annotated[str, Field(description="For the next page; absent on the last")] | None = None


class NewestDeliveries(View):
    model_config = example({"value": [_FAILED], "continuation": "ZGVsaXZlcmllcy0w"})

    value: list[Delivery]
    continuation: (
        Annotated[str, Field(description="For the next page, also of a short or empty one; absent on the last")] | None
    ) = None


class Retried(View):
    model_config = example({"id": EXAMPLE_DELIVERY_ID, "status": "pending"})

    id: str
    status: Literal["pending"]


def attempt_view(attempt: model.Attempt) -> Attempt:
    return Attempt.model_validate(attempt.model_dump(exclude={"token"}))


def delivery_view(delivery_id: DeliveryId, delivery: model.Delivery, called: EndpointName | None = None) -> Delivery:
    return Delivery(
        id=str(delivery_id),
        endpoint_id=delivery_id.endpoint,
        endpoint_name=called.name if called else None,
        host=called.host if called else None,
        type=delivery.type,
        idempotency_key=delivery.key,
        status=delivery.status,
        created_at=from_ms(delivery_id.accepted_ms),
        next_attempt_at=delivery.next_attempt_at,
        reason=delivery.reason,
        attempts=[attempt_view(attempt) for attempt in delivery.attempts],
    )


def malformed_view(line: Malformed) -> MalformedMessage:
    return MalformedMessage(
        id=line.id,
        status="failed",
        created_at=from_ms(int(line.id[:12], 16)),
        reason=line.reason,
        attempts=[],
        message=line.message,
    )
