"""How a delivery's row changes. Pure: storage/rows.py applies it."""

from datetime import datetime

from shared.delivery.diagnosis import failure_reason
from shared.delivery.schedule import Delivered, Exhausted, Gone, Retry, Verdict
from shared.model import Attempt, Delivery
from shared.storage.events import EventRow, Recipient
from shared.storage.messages import Message

ERASED = "the event was erased"


def new(message: Message) -> Delivery:
    """The delivery of a message, before anything happened to it."""
    return Delivery(status="pending", **message.terms)


def recorded(
    current: Delivery | None,
    message: Message,
    made: Attempt,
    verdict: Verdict,
    ended_at: datetime,
) -> Delivery:
    """The row with this attempt in it. *Delivered* is final and overwrites everything else; otherwise the first record
    of an attempt stands. What has ended of a sequence begins no new attempt by itself: others have gone on."""
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
        case Retry() if message.sequence and base.status != "pending":
            update |= {"reason": base.reason, "gone": base.gone}
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
        apart=row.apart,
        format=recipient.format,
        generation=recipient.generation,
        sequence=recipient.sequence,
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
