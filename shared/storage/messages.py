"""Messages of the `deliveries` queue: ASCII JSON, since Azure's XML forbids some characters.

No top-level name here may be one that the host merges over its own metadata (`id`, `dequeueCount`, `expirationTime`,
`insertionTime`, `nextVisibleTime`, `popReceipt`, `queueTrigger` in any case); a test holds that.
"""

import json
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from shared.model import IDEMPOTENCY_KEY, TRACEPARENT, Attempt, Delivery, DeliveryId, Event, Instant, Stored, digest

INLINE_EVENT_BYTES = 48 * 1024
"""A message is at most 64 KiB; an event beyond this is read from its table instead."""


class MalformedMessage(ValueError):
    """The body is no message of ours; the text says why."""


def _delivery_id(text: str) -> str:
    if DeliveryId.parse(text) is None:
        raise ValueError("not a delivery id")
    return text


def _traceparent(text: str) -> str:
    if not TRACEPARENT.fullmatch(text):
        raise ValueError("not a traceparent")
    return text


class Message(Stored):
    """An attempt to be made, or (`made` is given) one that was made and is still to be recorded."""

    v: Literal[1] = 1
    delivery: Annotated[str, AfterValidator(_delivery_id)]
    type: Annotated[str, Field(max_length=128)]
    key: Annotated[str, Field(pattern=rf"^{IDEMPOTENCY_KEY.pattern}$")]
    format: Annotated[str, Field(max_length=64)]
    generation: int
    event_accepted_ms: Annotated[int, Field(ge=0, lt=2**47, alias="eventMs")]
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    schedule_start: Annotated[int, Field(ge=1, le=1_000_000, alias="roundStart")] = 1
    due_at: Instant
    """When the message becomes visible."""
    deadline_at: Instant
    """When a delivery that the breaker holds back is given up."""
    abandoned: Annotated[str | None, Field(max_length=200, alias="givenUp")] = None
    """Why, in a poison message."""
    asked: bool = False
    """Of a round of attempts that an admin asked for: only its first message may revive a delivery that has ended."""
    repeat: bool = False
    """A copy of a message that may be on its way already."""
    redelivered: bool = Field(False, alias="cameBack")
    """Taken from the queue before, by a worker that may have ended after it recorded the attempt and before it put the
    next message."""
    traceparent: Annotated[str, AfterValidator(_traceparent)]
    event: Event | None = None
    made: Attempt | None = None
    retry_after_seconds: Annotated[float, Field(ge=0, le=10**6)] | None = None

    @model_validator(mode="after")
    def _fits_its_id(self) -> Self:
        if self.delivery_id.event != digest(self.key):
            raise ValueError("the delivery id is of another event")
        if self.schedule_start > self.attempt:
            raise ValueError("the round begins after the attempt")
        if self.made is not None and self.made.number != self.attempt:
            raise ValueError("the attempt that was made is another one")
        return self

    @property
    def delivery_id(self) -> DeliveryId:
        parsed = DeliveryId.parse(self.delivery)
        assert parsed is not None  # noqa: S101 (validated above)
        return parsed


def resend(
    delivery_id: DeliveryId, delivery: Delivery, generation: int, due_at: datetime, longest: timedelta
) -> Message:
    """The message of a delivery's first attempt, from its row: the event is read from its table. `longest` is how long
    the breaker may hold it."""
    return Message(
        delivery=str(delivery_id),
        type=delivery.type,
        key=delivery.key,
        format=delivery.format,
        generation=generation,
        event_accepted_ms=delivery.event_accepted_ms,
        due_at=due_at,
        deadline_at=due_at + longest,
        traceparent=delivery.traceparent,
    )


def encode(message: Message) -> str:
    """The message as queue text; without the event where that would make it too large."""
    if message.event is None or len(message.event.content) <= INLINE_EVENT_BYTES:
        text = _dump(message)
        if len(text) <= INLINE_EVENT_BYTES:
            return text
    return _dump(message.model_copy(update={"event": None}))


def decode(body: bytes) -> Message:
    """Raises MalformedMessage."""
    try:
        return Message.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MalformedMessage(f"not a delivery message: {where[:80] or 'body'}: {first['msg'][:200]}") from None


def _dump(message: Message) -> str:
    values = message.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"v": message.v}
    return json.dumps(values, separators=(",", ":"))
