"""Recording an attempt at the delivery's row, and doing what the record calls for."""

from collections.abc import Sequence
from datetime import timedelta

from shared import logs
from shared.app import App
from shared.delivery.attempt import Attempted
from shared.delivery.diagnosis import diagnose
from shared.delivery.operational_events import publish_endpoint_disabled
from shared.delivery.schedule import JITTER, Verdict, decide
from shared.delivery.transitions import recorded
from shared.model import Attempt, Delivery, Endpoint
from shared.model.health import disable
from shared.settings import LONGEST_SCHEDULE
from shared.storage import messages
from shared.storage.clients import StorageUnavailable
from shared.storage.messages import Message, encode
from shared.storage.queues import POISON
from shared.storage.rows import Versioned, change_on_loop


def verdict_on(app: App, message: Message, attempted: Attempted, endpoint: Endpoint | None) -> Verdict:
    """What follows an attempt."""
    made = attempted.attempt
    position = made.number - message.schedule_start + 1
    meaning = diagnose(made.status, made.response)
    return decide(position, made.status, attempted.retry_after, delays_of(app, endpoint), meaning, made.token)


async def record(
    app: App,
    message: Message,
    attempted: Attempted,
    verdict: Verdict,
    endpoint: Endpoint | None,
    stored: Versioned[Delivery] | None = None,
) -> Delivery | None:
    """Writes an attempt and sees to what follows; returns the row where this attempt stands in it.

    A row that cannot be written is put back as an unrecorded message rather than posted again. Raises
    StorageUnavailable when that fails too, or when the message is such a one already.
    """
    made = attempted.attempt
    try:
        delivery = await change_on_loop(
            app.rows, message.delivery_id, lambda now: recorded(now, message, made, verdict, made.ended_at), stored
        )
    except StorageUnavailable:
        if message.result is not None:
            raise
        await app.sender.put(
            app.queue.raw.name, encode(messages.unrecorded(message, made, attempted.retry_after, app.now()))
        )
        logs.warning("delivery.record_postponed", deliveryId=message.delivery, attempt=made.number)
        return None
    if delivery is None:
        logs.warning("delivery.dropped", deliveryId=message.delivery, reason="its week has passed retention")
        return None
    if not delivery.holds(made.number, made.token) and not message.redelivered:
        return None
    await follow_up(app, message, delivery, endpoint)
    return delivery


async def record_result(app: App, message: Message, made: Attempt, endpoint: Endpoint | None) -> Delivery | None:
    """Records the attempt of an unrecorded message; returns the row where it stands in it."""
    seconds = message.retry_after_seconds
    retry_after = None if seconds is None else timedelta(seconds=seconds)
    attempted = Attempted(made, retry_after)
    return await record(app, message, attempted, verdict_on(app, message, attempted, endpoint), endpoint)


async def follow_up(app: App, message: Message, delivery: Delivery, endpoint: Endpoint | None) -> None:
    """Does what the recorded attempt of this message calls for; harmless when it was done before."""
    if delivery.last_number != message.attempt:
        return  # a later attempt is recorded: the chain has gone on
    if delivery.status == "pending":
        await put_next(app, message, delivery, endpoint)
    elif delivery.status == "failed":
        await app.sender.put(POISON, encode(messages.exhausted(message)))
    elif message.manual:
        await app.in_thread(app.alerts.renew, message.delivery_id, delivery)
    if delivery.gone:
        await app.in_thread(_disable, app, message, delivery.reason or "")


async def put_next(app: App, message: Message, delivery: Delivery, endpoint: Endpoint | None) -> None:
    """Puts the message of the next attempt, hidden until it is due. Its deadline moves by as much as the receiver's
    answer lengthened the delay."""
    now = app.now()
    due_at = min(max(delivery.next_attempt_at or now, now), now + LONGEST_SCHEDULE)  # a forged attempt may lie ahead
    deadline_at = message.deadline_at + _lengthened(message, delivery, delays_of(app, endpoint))
    following = messages.next_attempt(message, delivery.last_number + 1, due_at, deadline_at)
    await app.queue.put(following, due_at - now)


async def endpoint_of(app: App, message: Message) -> Endpoint | None:
    """From the snapshot. Raises StorageUnavailable."""
    return await app.endpoints.get_on_loop(message.delivery_id.endpoint, app.in_thread)


def delays_of(app: App, endpoint: Endpoint | None) -> Sequence[timedelta]:
    """The schedule of an endpoint's deliveries: its own, or the deployment's."""
    own = None if endpoint is None else endpoint.retry_delays
    return app.settings.retry_delays if own is None else own


def _lengthened(message: Message, delivery: Delivery, delays: Sequence[timedelta]) -> timedelta:
    """By how much the receiver's answer lengthened the delay after the newest attempt."""
    last = delivery.attempts[-1]
    position = last.number - message.schedule_start
    if delivery.next_attempt_at is None or not 0 <= position < len(delays):
        return timedelta()
    return max(delivery.next_attempt_at - last.ended_at - delays[position] * (1 + JITTER), timedelta())


def _disable(app: App, message: Message, reason: str) -> None:
    """The receiver wants nothing any more."""
    endpoint = app.endpoints.read(message.delivery_id.endpoint)
    if endpoint is not None and endpoint.generation == message.generation:
        disabled = app.endpoints.change_health(endpoint, lambda health: disable(health, reason, app.now()))
        publish_endpoint_disabled(app, disabled, message.type, news=endpoint.health.disabled_reason is None)
