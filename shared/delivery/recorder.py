"""Recording an attempt at the delivery's row, and doing what the record calls for."""

from dataclasses import dataclass
from datetime import timedelta

from shared import logs
from shared.app import App
from shared.delivery.diagnosis import diagnose
from shared.delivery.operational_events import publish_endpoint_disabled
from shared.delivery.schedule import decide
from shared.delivery.transitions import Known, change, recorded
from shared.model import Attempt, Delivery
from shared.settings import LONGEST_SCHEDULE
from shared.storage.clients import StorageUnavailable
from shared.storage.messages import Message, encode


@dataclass(frozen=True)
class Sent:
    """An attempt, with the delay its answer asked for."""

    attempt: Attempt
    retry_after: timedelta | None


def record(app: App, message: Message, sent: Sent, known: Known = None) -> Delivery | None:
    """Writes an attempt and sees to what follows; returns the row, or None where there is none to write to now.

    A row that cannot be written is put back as a `record` message rather than posted again. Raises StorageUnavailable
    when that fails too, or when the message is such a one already.
    """
    made = sent.attempt
    position = made.number - message.schedule_start + 1
    meaning = diagnose(made.status, made.response)
    verdict = decide(position, made.status, sent.retry_after, app.settings.retry_delays, meaning)
    ended_at = made.started_at + timedelta(milliseconds=made.duration_ms)
    try:
        delivery = change(app, message.delivery_id, lambda now: recorded(now, message, made, verdict, ended_at), known)
    except StorageUnavailable:
        if message.made is not None:
            raise
        _postpone(app, message, sent)
        return None
    if delivery is None:
        logs.warning("delivery.dropped", deliveryId=message.delivery, reason="its week has passed retention")
    elif delivery.holds(made.number, made.token) or message.redelivered:
        follow_up(app, message, delivery)
    return delivery


def record_result(app: App, message: Message, made: Attempt) -> None:
    """Records the attempt of a `record` message."""
    seconds = message.retry_after_seconds
    record(app, message, Sent(made, None if seconds is None else timedelta(seconds=seconds)))


def follow_up(app: App, message: Message, delivery: Delivery) -> None:
    """Does what the recorded attempt of this message calls for; harmless when it was done before."""
    if delivery.last_number != message.attempt:
        return  # a later attempt is recorded: the chain has gone on
    if delivery.status == "pending":
        put_next(app, message, delivery)
    elif delivery.status == "failed":
        app.poison.put(encode(message.model_copy(update={"made": None})))
    elif message.asked:
        app.deliveries.renew_alert(message.delivery_id, delivery)
    if delivery.gone:
        _disable(app, message, delivery.reason or "")


def put_next(app: App, message: Message, delivery: Delivery) -> None:
    """Puts the message of the next attempt, hidden until it is due."""
    now = app.now()
    due_at = min(max(delivery.next_attempt_at or now, now), now + LONGEST_SCHEDULE)  # a forged attempt may lie ahead
    deadline_at = message.deadline_at + _lengthened(app, message, delivery)
    changes: dict[str, object] = {"attempt": delivery.last_number + 1, "due_at": due_at, "deadline_at": deadline_at}
    changes |= {"repeat": False, "redelivered": False, "made": None, "retry_after_seconds": None}
    app.copies.put(app.queue, message.model_copy(update=changes), due_at - now, now)


def _lengthened(app: App, message: Message, delivery: Delivery) -> timedelta:
    """By how much the receiver's answer lengthened the delay after the newest attempt."""
    last, delays = delivery.attempts[-1], app.settings.retry_delays
    position = last.number - message.schedule_start
    if delivery.next_attempt_at is None or not 0 <= position < len(delays):
        return timedelta()
    ended_at = last.started_at + timedelta(milliseconds=last.duration_ms)
    return max(delivery.next_attempt_at - ended_at - delays[position], timedelta())


def _postpone(app: App, message: Message, sent: Sent) -> None:
    seconds = None if sent.retry_after is None else sent.retry_after.total_seconds()
    later = {"made": sent.attempt, "retry_after_seconds": seconds, "event": None, "due_at": app.now()}
    app.queue.put(encode(message.model_copy(update=later)))
    logs.warning("delivery.record_postponed", deliveryId=message.delivery, attempt=sent.attempt.number)


def _disable(app: App, message: Message, reason: str) -> None:
    """The receiver wants nothing any more."""
    endpoint = app.endpoints.read(message.delivery_id.endpoint)
    if endpoint is not None and endpoint.generation == message.generation:
        disabled = app.endpoints.disable(endpoint, reason, app.now())
        publish_endpoint_disabled(app, disabled, message.type, news=endpoint.health.disabled_reason is None)
