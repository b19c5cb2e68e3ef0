"""Publishing: accept an event once, and put one message per matching endpoint on the queue."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared import logs
from shared.app import App
from shared.delivery.deadlines import REPEAT_DELAY, longest_delivery
from shared.delivery.succession import join
from shared.model import TRACEPARENT, Delivery, DeliveryId, Endpoint, Event, Severity, read_time, to_ms, utc_text
from shared.model.catalogue import default_severity
from shared.model.event import OWN_KEYS, THE_APP
from shared.model.filters import Matcher
from shared.model.fingerprint import fingerprint, is_fingerprint_of
from shared.model.json_text import dump
from shared.model.subject import subject_of
from shared.storage.events import EventRow, Recipient
from shared.storage.messages import Message, first
from shared.storage.rows import Versioned
from shared.storage.sequences import sequence_name
from shared.storage.weeks import week_start


@dataclass(frozen=True)
class NeverAccepted:
    """The message is about nothing that was accepted here: publishing did not put it on the queue."""

    reason: str


def accepted_event(app: App, message: Message) -> Event | NeverAccepted | None:
    """The event of a message, from its table; None where it was erased."""
    row = app.events.get(message.event_accepted_ms, message.delivery_id.event)
    if row is None:
        return NeverAccepted(
            f"no event with the key {message.key} is stored for its week: never accepted, or past retention"
        )
    if all(recipient.id != message.delivery_id.endpoint for recipient in row.recipients):
        return NeverAccepted(f"the event with the key {message.key} was not for this endpoint")
    return None if row.erased else row.event


MOST_EVENTS = 100
MOST_DELIVERIES = 2000
"""Of one call that publishes several events: events × endpoints."""


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
class NotTaken:
    """There was no room for its deliveries in this call: it is to be sent again."""

    key: str


Outcome = Accepted | Conflict | NotTaken


def publish(
    app: App, events: Sequence[Event], traceparent: str | None = None, publisher: str = ""
) -> Sequence[Outcome]:
    """Accepts events of one publisher, to whom their keys belong; returns what became of each, in order. Of several
    events it takes as many as make MOST_DELIVERIES deliveries together, and of one all. Raises StorageUnavailable,
    after which publishing the same keys again is safe."""
    endpoints = app.endpoints.all()
    matcher = Matcher((endpoint for endpoint in endpoints if endpoint.receives), endpoints)
    trace = traceparent if traceparent and TRACEPARENT.fullmatch(traceparent) else make_traceparent()
    now = app.now()
    rows = []
    for event in events:
        to = _recipients(event, matcher.matching(event))
        rows.append(
            EventRow(
                event=event,
                publisher=publisher,
                accepted_ms=to_ms(now),
                recipients=to,
                token=secrets.token_hex(8),
                fingerprint=fingerprint(event),
                traceparent=trace,
            )
        )
    if len(rows) > 1 and sum(len(row.recipients) for row in rows) > MOST_DELIVERIES:
        return _accept_in_part(app, rows, now)
    return [_take(app, row, now)[1] for row in rows]


def make_traceparent() -> str:
    """A W3C trace context of a new, sampled trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _recipients(event: Event, endpoints: Sequence[Endpoint]) -> tuple[Recipient, ...]:
    subject = subject_of(event) if any(endpoint.ordered for endpoint in endpoints) else ""
    return tuple(
        Recipient(
            id=endpoint.id,
            generation=endpoint.generation,
            format=endpoint.format,
            sequence=sequence_name(endpoint.generation, subject) if endpoint.ordered else "",
        )
        for endpoint in endpoints
    )


def delivery_ids(row: EventRow) -> list[DeliveryId]:
    """One for each endpoint that matched when the event was accepted."""
    return [DeliveryId(row.accepted_ms, row.id, recipient.id) for recipient in row.recipients]


def _accept_in_part(app: App, rows: Sequence[EventRow], now: datetime) -> list[Outcome]:
    """What there is room for, in order. What an earlier call took is marked, and takes none: so who sends the same
    array again gets on, as does who sends what was left."""
    room = MOST_DELIVERIES
    outcomes: list[Outcome] = []
    for row in rows:
        known = app.events.known(row)
        if known is not None and (not _says_the_same(known, row.event) or app.events.is_put(known)):
            outcomes.append(_of_known(known, row))
        elif len((known or row).recipients) > room < MOST_DELIVERIES:  # the first is taken, however many want it
            outcomes.append(NotTaken(row.event.key))
        else:
            room -= len((known or row).recipients)
            stored, outcome = _take(app, row, now)
            outcomes.append(outcome)
            if isinstance(outcome, Accepted):
                app.events.note_put(stored)
    return outcomes


def _of_known(stored: EventRow, row: EventRow) -> Accepted | Conflict:
    if stored.token != row.token and not _says_the_same(stored, row.event):
        return Conflict(row.event.key)
    return Accepted(row.event.key, len(stored.recipients), stored.token != row.token)


def _take(app: App, row: EventRow, now: datetime) -> tuple[EventRow, Accepted | Conflict]:
    """The row that stands for the event, the given one or an earlier one, and what became of the event."""
    stored = app.events.insert(row)
    outcome = _of_known(stored, row)
    if isinstance(outcome, Conflict):
        return stored, outcome
    _put_first_messages(app, stored, now, repeated=outcome.duplicate)
    if not outcome.duplicate:
        app.counts.accepted(now, row.event, len(stored.recipients))
    logs.info(
        "event.published",
        type=row.event.type,
        idempotencyKey=row.event.key,
        deliveries=outcome.deliveries,
        duplicate=outcome.duplicate,
    )
    return stored, outcome


def own_event(
    app: App,
    name: str,
    content: Mapping[str, Any],
    key: str,
    severity: Severity | None = None,
    at: datetime | None = None,
) -> Event:
    """An event of the app itself. `key` names what happened, so that who publishes it again adds nothing; `severity` is
    the catalogue's and `at` is now unless said otherwise. Raises ValueError for a key that a caller could use."""
    if not key.startswith(OWN_KEYS):
        raise ValueError(f"the key of an event of the app itself must begin with one of {', '.join(OWN_KEYS)}")
    return Event(
        type=name,
        content=dump(content),
        time_stamp=utc_text(at or app.now()),
        key=key,
        severity=severity or default_severity(name),
        tenant=app.settings.own_tenant,
    )


def publish_own(app: App, event: Event) -> None:
    """Publishes an event of the app itself; harmless to repeat, however late. One from an earlier week is no duplicate
    to `publish` any more: what an earlier call left undone is put instead. Raises StorageUnavailable."""
    now = app.now()
    if week_start(read_time(event.time_stamp)) != week_start(now):
        stored = app.events.find(event.key, now, THE_APP)
        if stored is not None:
            _put_first_messages(app, stored, now, repeated=True)
            return
    outcomes = publish(app, [event], publisher=THE_APP)
    if isinstance(outcomes[0], Conflict):
        logs.error("event.key_taken", idempotencyKey=event.key, reason="another event was published under it")


def _put_first_messages(app: App, stored: EventRow, now: datetime, repeated: bool) -> None:
    """But for deliveries that wait for others: they are put when it is their turn."""
    delay, wait = REPEAT_DELAY if repeated else timedelta(), set[str]()

    def take_place(message: Message, recipient: Recipient) -> None:
        if not join(app, message, stored, recipient, repeated=repeated):
            wait.add(message.delivery)

    made = [
        (
            first(
                stored,
                delivery_id,
                recipient,
                now + delay,
                longest_delivery(app, app.endpoints.get(recipient.id)),
                possible_duplicate=repeated,
            ),
            recipient,
        )
        for delivery_id, recipient in zip(delivery_ids(stored), stored.recipients, strict=True)
        if not stored.erased and (not repeated or _is_untouched(app.deliveries.get(delivery_id)))
    ]
    app.queue.with_each(lambda each: take_place(*each), [each for each in made if each[1].sequence])
    app.queue.put_many([message for message, _ in made if message.delivery not in wait], delay)


def _is_untouched(stored: Versioned[Delivery] | None) -> bool:
    """Whether no message of a delivery may have been handled; one that waits for others has a row before that."""
    row = None if stored is None else stored.value
    return row is None or (row.sequence != "" and row.status == "pending" and not row.attempts)


def _says_the_same(stored: EventRow, event: Event) -> bool:
    """By what is stored; of an erased event that is the fingerprint alone."""
    kept = stored.fingerprint if stored.erased else fingerprint(stored.event)
    return is_fingerprint_of(kept, event)
