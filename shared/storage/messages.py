"""Messages of the `deliveries` queue: ASCII JSON, since Azure's XML forbids some characters.

A message is made by one of the constructors here, and changed by no other code. No top-level name here may be one that
the host merges over its own metadata (`id`, `dequeueCount`, `expirationTime`, `insertionTime`, `nextVisibleTime`,
`popReceipt`, `queueTrigger` in any case); a test holds that.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from shared.model import Attempt, Delivery, DeliveryId, Endpoint, Event, Instant, event_id, from_ms, to_ms
from shared.model.delivery import DeliveryTerms
from shared.model.json_text import dump
from shared.model.validation import clauses
from shared.storage.events import EventRow, Recipient

INLINE_EVENT_BYTES = 48 * 1024
"""A message is at most 64 KiB; an event beyond this is read from its table instead."""


class MalformedMessage(ValueError):
    """The body is no message of ours; the text says why."""


def _delivery_id(text: str) -> str:
    if DeliveryId.parse(text) is None:
        raise ValueError("must be a delivery id")
    return text


class Message(DeliveryTerms):
    """An attempt to be made, or (`result` is given) one that was made and is still to be recorded. An alias is the name
    that messages have had from the beginning."""

    v: Literal[1] = 1
    delivery: Annotated[str, AfterValidator(_delivery_id)]
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    due_at: Instant
    """When the message becomes visible."""
    deadline_at: Instant
    """When a delivery that waits for its endpoint is given up."""
    deferrals: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """How often this attempt was put back without being made."""
    seen_at: Instant | None = None
    """Of a delivery in a sequence: storage tells of its message until then, at least. None: until its acceptance."""
    abandoned: Annotated[str | None, Field(max_length=200, alias="givenUp")] = None
    """Why it was given up, in a poison message."""
    manual: bool = Field(False, alias="asked")
    """Of a schedule that an admin asked for: only its first message may revive a delivery that has ended."""
    possible_duplicate: bool = Field(False, alias="repeat")
    """A copy of it may be on its way already."""
    redelivered: bool = Field(False, alias="cameBack")
    """Taken from the queue before, by a worker that may have ended after it recorded the attempt and before it put the
    next message."""
    event: Event | None = None
    result: Attempt | None = Field(None, alias="made")
    retry_after_seconds: Annotated[float, Field(ge=0, le=10**6)] | None = None

    @model_validator(mode="after")
    def _fits_its_id(self) -> Self:
        if self.delivery_id.event != event_id(self.key, self.apart):
            raise ValueError("the delivery id is of another event")
        if self.schedule_start > self.attempt:
            raise ValueError("the schedule begins after the attempt")
        if self.result is not None and self.result.number != self.attempt:
            raise ValueError("the attempt that was made is another one")
        return self

    @property
    def delivery_id(self) -> DeliveryId:
        parsed = DeliveryId.parse(self.delivery)
        assert parsed is not None  # noqa: S101 (validated above)
        return parsed

    @property
    def schedule(self) -> int:
        """What tells apart the schedules of a delivery, each of which can fail once: the deadline, in ms. In a sequence
        it has one schedule only, and whoever calls it again knows the first deadline no more."""
        return self.delivery_id.accepted_ms if self.sequence else to_ms(self.deadline_at)


def first(
    row: EventRow,
    delivery_id: DeliveryId,
    recipient: Recipient,
    due_at: datetime,
    longest: timedelta,
    *,
    possible_duplicate: bool = False,
    called_at: datetime | None = None,
) -> Message:
    """The first message of a delivery of an accepted event. `longest` is how long the delivery may take; that counts
    from when it was called, where it waited for others."""
    return Message(
        delivery=str(delivery_id),
        type=row.event.type,
        key=row.event.key,
        apart=row.apart,
        format=recipient.format,
        generation=recipient.generation,
        sequence=recipient.sequence,
        event_accepted_ms=row.accepted_ms,
        traceparent=row.traceparent,
        due_at=due_at,
        deadline_at=(called_at or from_ms(row.accepted_ms)) + longest,
        seen_at=called_at,
        possible_duplicate=possible_duplicate,
        event=row.event,
    )


def sample(endpoint: Endpoint, event: Event, now: datetime, traceparent: str) -> Message:
    """The message of a test event, which is on no queue."""
    return Message(
        delivery=str(DeliveryId(to_ms(now), event_id(event.key), endpoint.id)),
        type=event.type,
        key=event.key,
        format=endpoint.format,
        generation=endpoint.generation,
        event_accepted_ms=to_ms(now),
        traceparent=traceparent,
        due_at=now,
        deadline_at=now,
    )


def again(
    delivery_id: DeliveryId,
    delivery: Delivery,
    generation: int,
    due_at: datetime,
    longest: timedelta,
    *,
    possible_duplicate: bool = False,
) -> Message:
    """The first message of a new delivery of what `delivery` brought, which is in no sequence; the event is read from
    its table."""
    terms = delivery.terms | {"generation": generation, "schedule_start": 1, "sequence": ""}
    return Message(
        delivery=str(delivery_id),
        due_at=due_at,
        deadline_at=due_at + longest,
        possible_duplicate=possible_duplicate,
        **terms,
    )


def retried(
    delivery_id: DeliveryId, delivery: Delivery, generation: int, due_at: datetime, longest: timedelta
) -> Message:
    """The next attempt of a delivery that has ended, from which its schedule starts anew. It has left its sequence."""
    number = delivery.last_number + 1
    terms = delivery.terms | {"generation": generation, "schedule_start": number, "sequence": ""}
    return Message(
        delivery=str(delivery_id),
        attempt=number,
        due_at=due_at,
        deadline_at=due_at + longest,
        manual=True,
        possible_duplicate=True,
        **terms,
    )


def next_attempt(message: Message, number: int, due_at: datetime, deadline_at: datetime) -> Message:
    """The message of the attempt that follows a recorded one."""
    return message.model_copy(
        update={
            "attempt": number,
            "due_at": due_at,
            "deadline_at": deadline_at,
            "deferrals": 0,
            "seen_at": due_at if message.sequence else None,
            "possible_duplicate": False,
            "redelivered": False,
            "result": None,
            "retry_after_seconds": None,
        }
    )


def deferred(message: Message, due_at: datetime, deadline_at: datetime | None = None, *, seen: bool = False) -> Message:
    """The same attempt later, unspent. With a `deadline_at` the delivery is given so much longer; `seen`: its sequence
    says that it is put back until then."""
    update: dict[str, object] = {"due_at": due_at, "possible_duplicate": True, "deferrals": message.deferrals + 1}
    if deadline_at is not None:
        update["deadline_at"] = deadline_at
    if seen:
        update["seen_at"] = due_at
    return message.model_copy(update=update)


def redelivered(message: Message) -> Message:
    """The message as the queue gave it out again."""
    return message.model_copy(update={"redelivered": True})


def repeated(message: Message, delivery: Delivery) -> Message:
    """A message of the newest recorded attempt, as the queue gives it out again: it finishes what was left undone."""
    update = {"attempt": delivery.last_number, "schedule_start": delivery.schedule_start, "redelivered": True}
    return message.model_copy(update=update)


def unrecorded(message: Message, attempt: Attempt, retry_after: timedelta | None, now: datetime) -> Message:
    """An attempt that was made and could not be recorded; the event is not needed any more."""
    seconds = None if retry_after is None else retry_after.total_seconds()
    update = {"result": attempt, "retry_after_seconds": seconds, "event": None, "due_at": now}
    return message.model_copy(update=update)


def abandoned(message: Message, reason: str) -> Message:
    """The poison message of a delivery that is given up before this attempt."""
    return message.model_copy(update={"abandoned": reason})


def exhausted(message: Message) -> Message:
    """The poison message of a delivery whose attempt, recorded meanwhile, was the last."""
    return message.model_copy(update={"result": None})


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
        wrong = clauses(error, Message, body, "body")[0]
        raise MalformedMessage(f"not a delivery message: {wrong[:300]}") from None


def _dump(message: Message) -> str:
    values = message.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"v": message.v}
    return dump(values, ascii_only=True)
