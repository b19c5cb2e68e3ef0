"""One attempt of a delivery: make it, record it, see to what follows.

What makes this safe under crashes and copies of messages is written in the design, §3, and tested by a simulation of
every crash point (tests/unit/test_crash_points.py):

- The row is read before the POST whenever the message may not be the first of its kind; a first delivery costs no read.
- Attempt 1 is written by insert, later ones with If-Match, each with a token of the invocation.
- A recorded attempt decides what follows, and whoever finds it recorded may only put *that* message again. Copies of
  a message find each other out at the row, so that no crash starts a second chain.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.app import App
from shared.delivery.formats import FORMATS
from shared.delivery.messages import MalformedMessage, Message, decode, encode
from shared.delivery.outbound import Answer, NoAnswer
from shared.delivery.schedule import Delivered, decide
from shared.delivery.signing import sign_point, sign_standard
from shared.delivery.transitions import Known, cancelled, change, recorded
from shared.logs import write_line
from shared.model import Attempt, Delivery, Endpoint, Event, digest
from shared.storage.clients import StorageUnavailable

LATE = timedelta(seconds=60)
"""A message seen this long after it became visible may have been repeated meanwhile."""


class Sent(NamedTuple):
    """An attempt, with the delay its answer asked for."""

    attempt: Attempt
    retry_after: timedelta | None


@dataclass(frozen=True)
class Unknown:
    """The message is about nothing that was accepted here: publishing did not put it on the queue."""

    reason: str


def dispatch(app: App, body: bytes, dequeue_count: int) -> None:
    """Handles one message of the `deliveries` queue. Raises StorageUnavailable: the message then comes back."""
    try:
        message = decode(body)
    except MalformedMessage:
        app.poison.put(body.decode("utf-8", "replace"))
        return
    if message.made is not None:
        retry_after = None if message.retry_after_seconds is None else timedelta(seconds=message.retry_after_seconds)
        _record(app, message, Sent(message.made, retry_after), dequeue_count)
        return
    known: Known = None
    if _may_be_known(message, dequeue_count, app.now()):
        known = app.deliveries.get(message.delivery_id)
        if known is not None and not _still_to_make(known[0], message):
            if dequeue_count > 1:
                follow_up(app, message, known[0])
            return
    endpoint = app.endpoints.get(message.delivery_id.endpoint)
    event = message.event
    if endpoint is None or event is None:
        stored = stored_event(app, message)
        if isinstance(stored, Unknown):
            app.poison.put(body.decode())
            return
        event = stored
    reason = _why_not(endpoint, message)
    if endpoint is None or reason:
        change(app, message.delivery_id, lambda now: cancelled(now, message, reason or ""), known)
        write_line("delivery.cancelled", deliveryId=message.delivery, reason=reason)
        return
    _record(app, message, send(app, endpoint, message, event), dequeue_count, endpoint, known)


def send(app: App, endpoint: Endpoint, message: Message, event: Event) -> Sent:
    """Signs and POSTs an event; the attempt says what happened."""
    started_at, began = app.now(), time.monotonic()
    content_type, body = FORMATS[message.format](event)
    headers = {
        "Content-Type": content_type,
        **sign_point(body, app.options.signature_key()),
        **sign_standard(event.key, started_at, body, [endpoint.secret]),
        "traceparent": f"{message.traceparent[:36]}{secrets.token_hex(8)}{message.traceparent[52:]}",
    }
    result = app.post(endpoint.url, headers, body)
    attempt = Attempt(
        number=message.attempt,
        started_at=started_at,
        duration_ms=round((time.monotonic() - began) * 1000),
        status=result.status if isinstance(result, Answer) else None,
        error=result.error if isinstance(result, NoAnswer) else None,
        response=result.response if isinstance(result, Answer) else None,
        token=secrets.token_hex(8),
    )
    write_line(
        "delivery.attempted",
        deliveryId=message.delivery,
        endpointId=endpoint.id,
        host=endpoint.host,
        type=message.type,
        idempotencyKey=message.key,
        attempt=attempt.number,
        status=attempt.status,
        error=attempt.error,
        durationMs=attempt.duration_ms,
    )
    return Sent(attempt, result.retry_after if isinstance(result, Answer) else None)


def stored_event(app: App, message: Message) -> Event | Unknown:
    """The event of a message, from its table."""
    row = app.events.get(message.event_ms, digest(message.key))
    if row is None:
        return Unknown(f"no event with the key {message.key} was accepted then")
    if all(addressee.id != message.delivery_id.endpoint for addressee in row.addressees):
        return Unknown(f"the event with the key {message.key} was not for this endpoint")
    return row.event


def follow_up(app: App, message: Message, delivery: Delivery) -> None:
    """Does what the recorded attempt of this message calls for; harmless when it was done before."""
    if delivery.last_number != message.attempt:
        return  # a later attempt is recorded: the chain has gone on
    if delivery.status == "pending":
        app.queue.put(*next_message(message, delivery, app.now()))
    elif delivery.status == "failed":
        app.poison.put(encode(message))
    elif delivery.gone:
        endpoint = app.endpoints.get(message.delivery_id.endpoint)
        if endpoint is not None and endpoint.generation == message.generation and endpoint.receives:
            disable(app, endpoint, delivery.reason or "")


def next_message(message: Message, delivery: Delivery, now: datetime) -> tuple[str, timedelta]:
    """The message of the next attempt and how long it must wait from now."""
    due_at = max(delivery.next_attempt_at or now, now)
    changes = {"attempt": delivery.last_number + 1, "due_at": due_at, "repeat": False, "made": None}
    return encode(message.model_copy(update={**changes, "retry_after_seconds": None})), due_at - now


def disable(app: App, endpoint: Endpoint, reason: str) -> None:
    app.endpoints.disable(endpoint, reason)
    write_line("endpoint.disabled", endpointId=endpoint.id, host=endpoint.host, reason=reason)


def _record(
    app: App,
    message: Message,
    sent: Sent,
    dequeue_count: int,
    endpoint: Endpoint | None = None,
    known: Known = None,
) -> None:
    made = sent.attempt
    position = made.number - message.round_start + 1
    verdict = decide(position, made.status, sent.retry_after, app.settings.retry_delays)
    ended_at = made.started_at + timedelta(milliseconds=made.duration_ms)
    try:
        delivery = change(app, message.delivery_id, lambda now: recorded(now, message, made, verdict, ended_at), known)
    except StorageUnavailable:
        if message.made is not None:
            raise
        seconds = None if sent.retry_after is None else sent.retry_after.total_seconds()
        later = {"made": made, "retry_after_seconds": seconds, "event": None, "due_at": app.now()}
        app.queue.put(encode(message.model_copy(update=later)))
        write_line("delivery.record_postponed", 30, deliveryId=message.delivery, attempt=made.number)
        return
    if delivery is None:
        write_line("delivery.dropped", 30, deliveryId=message.delivery, reason="its week has passed retention")
    elif delivery.holds(made.number, made.token) or dequeue_count > 1:
        follow_up(app, message, delivery)
    if isinstance(verdict, Delivered) and delivery is not None:
        _note_success(app, message, delivery, endpoint)


def _note_success(app: App, message: Message, delivery: Delivery, endpoint: Endpoint | None) -> None:
    """A success ends the endpoint's failing time, and one asked for by an admin the line in the alert log."""
    if message.round_start > 1:
        app.deliveries.note_alert(message.delivery_id, delivery)
    if endpoint is not None and endpoint.health.first_failure_at is not None:
        app.endpoints.note_success(endpoint, delivery.attempts[-1].started_at)


def _may_be_known(message: Message, dequeue_count: int, now: datetime) -> bool:
    return dequeue_count > 1 or message.attempt > 1 or message.repeat or now - message.due_at > LATE


def _still_to_make(delivery: Delivery, message: Message) -> bool:
    """Whether this message's attempt is neither recorded nor made pointless."""
    if delivery.status == "delivered" or delivery.last_number >= message.attempt:
        return False
    return delivery.status == "pending" or message.round_start == message.attempt


def _why_not(endpoint: Endpoint | None, message: Message) -> str | None:
    if endpoint is None:
        return "the endpoint was deleted"
    if endpoint.generation != message.generation:
        return "the endpoint was deleted and registered again"
    if not endpoint.enabled:
        return "the endpoint is disabled"
    if endpoint.health.disabled_reason is not None:
        return f"the endpoint is disabled: {endpoint.health.disabled_reason}"
    return None if message.format in FORMATS else f"the wire format {message.format!r} is not known to this version"
