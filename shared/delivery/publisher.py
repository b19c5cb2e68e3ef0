"""Where a message comes from: the event that was accepted, and whether it was for this endpoint."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import logs
from shared.app import App
from shared.model import TRACEPARENT, DeliveryId, Event, digest, from_ms, to_ms
from shared.model.filters import matching
from shared.storage.events import EventRow, Recipient
from shared.storage.messages import Message, encode


@dataclass(frozen=True)
class Unknown:
    """The message is about nothing that was accepted here: publishing did not put it on the queue."""

    reason: str


def stored_event(app: App, message: Message) -> Event | Unknown | None:
    """The event of a message, from its table; None where it was erased."""
    row = app.events.get(message.event_accepted_ms, digest(message.key))
    if row is None:
        return Unknown(f"no event with the key {message.key} is stored for its week: never accepted, or past retention")
    if all(recipient.id != message.delivery_id.endpoint for recipient in row.recipients):
        return Unknown(f"the event with the key {message.key} was not for this endpoint")
    return None if row.erased else row.event


MOST_EVENTS = 100
MOST_DELIVERIES = 2000
"""Of one call: events × endpoints."""

REPEAT_DELAY = timedelta(seconds=120)
"""A message put again waits so long that the one it may repeat has been attempted and recorded."""

_PUTS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="publish")


@dataclass(frozen=True)
class Accepted:
    """The event is stored and every message is on the queue. `duplicate`: it was known already."""

    key: str
    deliveries: int
    duplicate: bool


@dataclass(frozen=True)
class Conflict:
    """The key belongs to an event of another type or content."""

    key: str


@dataclass(frozen=True)
class TooMany:
    """The call would make more than MOST_DELIVERIES deliveries."""

    deliveries: int


def publish(app: App, events: Sequence[Event], traceparent: str | None = None) -> list[Accepted | Conflict] | TooMany:
    """Accepts events, in order. Raises StorageUnavailable, after which publishing the same keys again is safe."""
    endpoints = [endpoint for endpoint in app.endpoints.all() if endpoint.receives]
    trace = traceparent if traceparent and TRACEPARENT.fullmatch(traceparent) else make_traceparent()
    now = app.now()
    rows = []
    for event in events:
        to = tuple(
            Recipient(id=endpoint.id, generation=endpoint.generation, format=endpoint.format)
            for endpoint in matching(endpoints, event)
        )
        rows.append(
            EventRow(
                event=event,
                accepted_ms=to_ms(now),
                recipients=to,
                token=secrets.token_hex(8),
                fingerprint=_fingerprint(event),
                traceparent=trace,
            )
        )
    total = sum(len(row.recipients) for row in rows)
    if len(rows) > 1 and total > MOST_DELIVERIES:
        return TooMany(total)
    return [_accept(app, row, now) for row in rows]


def make_traceparent() -> str:
    """A W3C trace context of a new, sampled trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def delivery_ids(row: EventRow) -> list[DeliveryId]:
    """One for each endpoint that matched when the event was accepted."""
    key = digest(row.event.key)
    return [DeliveryId(row.accepted_ms, key, recipient.id) for recipient in row.recipients]


def _accept(app: App, row: EventRow, now: datetime) -> Accepted | Conflict:
    stored = app.events.insert(row)
    duplicate = stored.token != row.token
    if duplicate and stored.fingerprint != row.fingerprint:
        return Conflict(row.event.key)
    _put_first_messages(app, stored, now, repeat=duplicate)
    logs.info(
        "event.published",
        type=row.event.type,
        idempotencyKey=row.event.key,
        deliveries=len(stored.recipients),
        duplicate=duplicate,
    )
    return Accepted(row.event.key, len(stored.recipients), duplicate)


def resume(app: App, stored: EventRow) -> None:
    """Puts what an earlier publish of a stored event may have left undone: for when it is too old to be recognised as a
    duplicate. Harmless to repeat."""
    _put_first_messages(app, stored, app.now(), repeat=True)


def _put_first_messages(app: App, stored: EventRow, now: datetime, repeat: bool) -> None:
    waiting = [
        (delivery_id, recipient)
        for delivery_id, recipient in zip(delivery_ids(stored), stored.recipients, strict=True)
        if not stored.erased and (not repeat or app.deliveries.get(delivery_id) is None)
    ]
    longest = app.settings.longest_delivery
    delay = REPEAT_DELAY if repeat else timedelta()
    texts = [
        encode(_first_message(stored, *each, due_at=now + delay, longest=longest, repeat=repeat)) for each in waiting
    ]
    put_all(app, texts, delay)


def _first_message(
    row: EventRow, delivery_id: DeliveryId, recipient: Recipient, due_at: datetime, longest: timedelta, repeat: bool
) -> Message:
    return Message(
        delivery=str(delivery_id),
        type=row.event.type,
        key=row.event.key,
        format=recipient.format,
        generation=recipient.generation,
        event_accepted_ms=row.accepted_ms,
        due_at=due_at,
        deadline_at=from_ms(row.accepted_ms) + longest,
        repeat=repeat,
        traceparent=row.traceparent,
        event=row.event,
    )


def put_all(app: App, texts: Sequence[str], delay: timedelta) -> None:
    """Puts messages on the queue, several at a time; raises StorageUnavailable where one of them failed."""
    if len(texts) == 1:
        app.queue.put(texts[0], delay)
    else:
        for _ in _PUTS.map(lambda text: app.queue.put(text, delay), texts):
            pass  # draws each result, so that a failure is raised here


def _fingerprint(event: Event) -> str:
    """Two publishes are of the same event when type and content mean the same, however they are written."""
    canonical = json.dumps([event.type, json.loads(event.content)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
