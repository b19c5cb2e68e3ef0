"""One attempt of a delivery: make it, record it, see to what follows.

What makes this safe under crashes and copies of messages is written in docs/architecture.md, "A crash starts no second
chain of attempts", and tested by a simulation of every crash point (tests/unit/delivery/test_crash_points.py):

- The row is read before the POST whenever the message may not be the first of its kind; a first delivery costs no read.
- Attempt 1 is written by insert, later ones with If-Match, each with a token of the invocation.
- A recorded attempt decides what follows, and whoever finds it recorded may only put *that* message again. Copies of
  a message find each other out at the row, so that no crash starts a second chain.
- One instance has one message of a delivery in hand at a time, and puts none while the same one is hidden (copies.py).
"""

import random
from datetime import datetime, timedelta
from typing import Literal

from shared import logs
from shared.app import App
from shared.delivery.attempt import send
from shared.delivery.publisher import Unknown, stored_event
from shared.delivery.recorder import follow_up, record, record_result
from shared.delivery.transitions import ERASED, Known, cancelled, change
from shared.formats import FORMATS
from shared.model import Delivery, Endpoint
from shared.storage.messages import MalformedMessage, Message, decode, encode

SHARE_HOLD_SECONDS = (5.0, 15.0)
"""How long a message waits that found no worker left for its endpoint, or a copy of it in hand; spread out, lest they
return at once."""

LATE = timedelta(seconds=60)
"""A message seen this long after it became visible may have been repeated meanwhile."""


def dispatch(app: App, body: bytes, dequeue_count: int) -> None:
    """Handles one message of the `deliveries` queue. Raises StorageUnavailable: the message then comes back."""
    try:
        message = decode(body)
    except MalformedMessage:
        app.poison.put(body.decode("utf-8", "replace"))
        return
    if dequeue_count > 1:
        message = message.model_copy(update={"redelivered": True})
    with app.copies.in_hand(message) as alone:
        if alone:
            _handle(app, message, body)
        else:
            _put_back(app, message, _a_moment(), "duplicate")


def _handle(app: App, message: Message, body: bytes) -> None:
    known: Known = None
    if message.made is None and _may_be_known(message, app.now()):
        known = app.deliveries.get(message.delivery_id)
        if known is not None and not _still_to_make(known[0], message):
            if message.redelivered:
                follow_up(app, message, known[0])
            return
    endpoint = app.endpoints.get(message.delivery_id.endpoint)
    if _why_not(endpoint, message):  # by a snapshot of some seconds ago: nothing is cancelled on its word
        endpoint = app.endpoints.read(message.delivery_id.endpoint)
    event = message.event
    if event is None or endpoint is None:
        stored = stored_event(app, message)
        if isinstance(stored, Unknown):
            app.poison.put(body.decode())
            return
        event = stored
    if message.made is not None:
        record_result(app, message, message.made)
        return
    reason = _why_not(endpoint, message)
    if endpoint is None or event is None or reason:
        _cancel(app, message, reason or ERASED, known)
        return
    hold = app.breaker.hold(endpoint.id, app.now())
    if hold is not None:
        _hold(app, message, hold)
        return
    with app.share.place(endpoint.id) as has_place:
        sent = send(app, endpoint, message, event) if has_place else None
    if sent is None:
        _put_back(app, message, _a_moment(), "bulkhead")
        return
    delivery = record(app, message, sent, known)
    if delivery is not None and delivery.status == "delivered" and endpoint.health.first_failure_at is not None:
        app.endpoints.note_success(endpoint, sent.attempt.started_at)


def _cancel(app: App, message: Message, reason: str, known: Known) -> None:
    delivery = change(app, message.delivery_id, lambda now: cancelled(now, message, reason), known)
    if message.asked and delivery is not None and delivery.status == "cancelled":
        app.deliveries.renew_alert(message.delivery_id, delivery)
    logs.info("delivery.cancelled", deliveryId=message.delivery, reason=reason)


def _hold(app: App, message: Message, hold: timedelta) -> None:
    """The breaker is open: back to the queue, or given up when the delivery's time is over."""
    if app.now() < message.deadline_at:
        _put_back(app, message, hold, "breaker")
    else:
        app.poison.put(encode(message.model_copy(update={"abandoned": "endpoint failing"})))


def _a_moment() -> timedelta:
    return timedelta(seconds=random.uniform(*SHARE_HOLD_SECONDS))  # noqa: S311 (jitter)


def _put_back(app: App, message: Message, hold: timedelta, by: Literal["breaker", "bulkhead", "duplicate"]) -> None:
    """Puts the message back, spending no attempt."""
    now = app.now()
    app.copies.put(app.queue, message.model_copy(update={"due_at": now + hold, "repeat": True}), hold, now)
    endpoint = message.delivery_id.endpoint
    logs.info(
        "delivery.deferred",
        deliveryId=message.delivery,
        endpointId=endpoint,
        by=by,
        seconds=round(hold.total_seconds()),
    )


def _may_be_known(message: Message, now: datetime) -> bool:
    return message.redelivered or message.attempt > 1 or message.repeat or now - message.due_at > LATE


def _still_to_make(delivery: Delivery, message: Message) -> bool:
    """Whether this message's attempt is neither recorded nor made pointless."""
    if delivery.erased or delivery.status == "delivered" or delivery.last_number >= message.attempt:
        return False
    return delivery.status == "pending" or (message.asked and message.schedule_start == message.attempt)


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
