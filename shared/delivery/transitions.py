"""How a delivery's row changes: pure transitions, and the one loop that applies them."""

from collections.abc import Callable
from datetime import datetime

from shared.app import App
from shared.delivery.diagnosis import failure_reason
from shared.delivery.schedule import Delivered, Exhausted, Gone, Retry
from shared.model import Attempt, Delivery, DeliveryId
from shared.storage.clients import Written
from shared.storage.events import EventRow, Recipient
from shared.storage.messages import Message

ERASED = "the event was erased"

Known = tuple[Delivery, str] | None
"""A row and its etag; None where there is no row yet."""

Transition = Callable[[Delivery | None], Delivery]
"""From the row as it is (None: no row yet) to the row as it should be; the same object where nothing is to change."""


def change(app: App, delivery_id: DeliveryId, transition: Transition, known: Known = None) -> Delivery | None:
    """Applies a transition to the row as it is when written, and returns the row as it then is.

    None where the week's table has been dropped. Without a row it is written by insert, else with If-Match; when
    somebody else was first, the transition is asked again with what they wrote. `known` is the row and etag that the
    caller has read; without it the first try assumes that there is no row, since most deliveries succeed at once.
    """
    current, etag = known or (None, "")
    while True:
        wanted = transition(current)
        if wanted is current:
            return current
        if current is None:
            written = app.deliveries.insert(delivery_id, wanted)
        else:
            written = app.deliveries.replace(delivery_id, wanted, etag)
        if written is Written.DONE:
            return wanted
        if written is Written.NO_TABLE:
            return None
        current, etag = app.deliveries.get(delivery_id) or (None, "")


def new(message: Message) -> Delivery:
    """The delivery of a message, before anything happened to it."""
    return Delivery(status="pending", **message.terms)


def recorded(
    current: Delivery | None,
    message: Message,
    made: Attempt,
    verdict: Delivered | Gone | Exhausted | Retry,
    ended_at: datetime,
) -> Delivery:
    """The row with this attempt in it. *Delivered* is final and overwrites everything else; otherwise the first record
    of an attempt stands."""
    base = current or new(message)
    if base.status == "delivered" or base.holds(made.number, made.token):
        return base
    if base.last_number >= made.number and not isinstance(verdict, Delivered):
        return base
    if base.erased:
        made = made.model_copy(update={"response": None})
        verdict = verdict if isinstance(verdict, Delivered) else Gone()
    update: dict[str, object] = {
        "attempts": (*base.attempts, made),
        "schedule_start": message.schedule_start,
        "next_attempt_at": None,
        "reason": None,
        "gone": False,
    }
    match verdict:
        case Delivered():
            update |= {"status": "delivered"}
        case Retry(after):
            update |= {"status": "pending", "next_attempt_at": ended_at + after}
        case Gone() if base.erased:
            update |= {"status": "cancelled", "reason": ERASED}
        case Gone():
            update |= {"status": "cancelled", "reason": failure_reason(made), "gone": True}
        case Exhausted():
            update |= {"status": "failed", "reason": failure_reason(made)}
    return base.model_copy(update=update)


def cancelled(current: Delivery | None, message: Message, reason: str) -> Delivery:
    """The row ended before its next attempt; what is already at an end stays as it is."""
    base = current or new(message)
    if current is not None and current.status != "pending":
        return current
    return base.model_copy(update={"status": "cancelled", "reason": reason, "next_attempt_at": None})


def failed(current: Delivery | None, message: Message, reason: str) -> Delivery:
    """The row of a delivery whose message was given up before its attempt could be recorded. What is recorded of this
    attempt, or of a later one, stands."""
    base = current or new(message)
    if current is not None and (current.status != "pending" or current.last_number >= message.attempt):
        return current
    return base.model_copy(update={"status": "failed", "reason": reason, "next_attempt_at": None})


def unattempted(row: EventRow, recipient: Recipient) -> Delivery:
    """The delivery of an accepted event that no attempt is recorded of yet."""
    return Delivery(
        type=row.event.type,
        key=row.event.key,
        format=recipient.format,
        generation=recipient.generation,
        event_accepted_ms=row.accepted_ms,
        traceparent=row.traceparent,
        status="pending",
    )


def erased(current: Delivery | None, row: EventRow, recipient: Recipient) -> Delivery:
    """The row of a delivery whose event was erased: no answers of the receiver, and no further attempt."""
    base = current or unattempted(row, recipient)
    if base.erased:
        return base
    update: dict[str, object] = {
        "erased": True,
        "attempts": tuple(attempt.model_copy(update={"response": None}) for attempt in base.attempts),
    }
    if base.status == "pending":
        update |= {"status": "cancelled", "reason": ERASED, "next_attempt_at": None}
    return base.model_copy(update=update)
