"""What reached `deliveries-poison`, whoever put it there: into the alert log, and nothing lost on the way.

Every step can be repeated: row keys derive from the delivery id, or from a hash of the body where it cannot be read.
It raises only when storage itself fails.
"""

from datetime import datetime, timedelta

from shared import logs
from shared.app import App
from shared.delivery.diagnosis import Unacceptable, diagnose, failure_reason
from shared.delivery.operational_events import (
    note_failure,
    publish_endpoint_disabled,
    publish_endpoint_failing,
    tell_failures,
)
from shared.delivery.publisher import NeverAccepted, accepted_event
from shared.delivery.recorder import endpoint_of, put_next, record_result
from shared.delivery.succession import pass_on
from shared.delivery.transitions import failed
from shared.model import Delivery, Endpoint, digest
from shared.model.catalogue import OPERATIONAL_PREFIX
from shared.model.health import Disable, Warn, assess_health, disable, note_exhausted, note_warned
from shared.storage.clients import StorageUnavailable
from shared.storage.messages import MalformedMessage, Message, decode, redelivered
from shared.storage.queues import Received
from shared.storage.rows import change_on_loop

_OLDEST_MESSAGE = timedelta(days=8)
_SWEEP_LENGTH = timedelta(minutes=4, seconds=20)
"""More than the timer's four minutes: the host begins a run that is late at once, so while the queue is not empty there
is no moment at which nobody asks. With a pause at the end of each period, messages whose lease ended in it came back in
it for ever."""
_SWEEP_HIDES = timedelta(minutes=2)
_SWEEP_PAUSE_SECONDS = 0.1
"""The host asks every two seconds, and a message is of who asks first: in 19 cases of 20 this is the sweep."""
_SWEEP_MEASURES_EVERY = timedelta(seconds=5)
_CRASHED = "the dispatcher failed on it until the queue gave up; see the log lines of its delivery id"


async def exhausted(app: App, body: bytes, inserted_at: datetime | None, dequeue_count: int) -> None:
    """Handles one poison message. Raises StorageUnavailable: the message then comes back."""
    try:
        message = decode(body)
    except MalformedMessage as error:
        await app.in_thread(_keep, app, body, inserted_at, str(error))
        return
    if dequeue_count > 1:
        message = redelivered(message)
    event = await app.in_thread(accepted_event, app, message)
    if isinstance(event, NeverAccepted):
        await app.in_thread(_keep, app, body, inserted_at, event.reason)
        return
    if message.result is not None:
        again = redelivered(message)
        known = await record_result(app, again, message.result, await endpoint_of(app, message))
        await pass_on(app, again, known)
        return
    reason = message.abandoned or _CRASHED
    delivery = await change_on_loop(app.rows, message.delivery_id, lambda now: failed(now, message, reason))
    if delivery is None:
        await app.in_thread(_keep, app, body, inserted_at, "its week has passed retention")
    elif delivery.status == "pending" and delivery.last_number == message.attempt:
        # recorded, and stopped before the next was put
        await put_next(app, message, delivery, await endpoint_of(app, message))
    elif delivery.status == "failed" and delivery.last_number <= message.attempt:
        await app.in_thread(_alert, app, message, delivery)
        await app.in_thread(_tell, app, message.delivery_id.endpoint)
    await pass_on(app, message, delivery)


async def sweep(app: App, length: timedelta = _SWEEP_LENGTH) -> int:
    """Takes poison messages that never reach `exhausted`: a body whose top-level properties the host took for its own
    metadata fails before any code runs, and is hidden again until its lease ends. Returns how many it took.

    Such a message is visible for a moment only, until the host takes it again. So while the queue is not empty this
    keeps asking, more often than the host does; an empty queue costs two calls.
    """
    now = app.seconds()
    ends_at, measure_at = now + length.total_seconds(), now
    taken = 0
    while True:
        for received in await app.in_thread(app.poison.receive, 32, _SWEEP_HIDES):
            await _take(app, received)
            taken += 1
        now = app.seconds()
        if now >= measure_at or now >= ends_at:
            measure_at = now + _SWEEP_MEASURES_EVERY.total_seconds()
            if await app.in_thread(app.poison.length) == 0 or now >= ends_at:
                break
        await app.sleep(_SWEEP_PAUSE_SECONDS)  # nothing announces that a message has become visible
    if taken:
        logs.info("poison.swept", messages=taken)
    return taken


async def _take(app: App, received: Received) -> None:
    """Handles one message like `exhausted`. One that the code cannot handle is kept as it is: it must stop no other."""
    try:
        await exhausted(app, received.body, received.inserted_at, received.dequeue_count)
    except StorageUnavailable:
        raise
    except Exception as error:
        logs.error("poison.unhandled", error=repr(error)[:300])
        reason = f"it cannot be handled ({type(error).__name__})"
        await app.in_thread(_keep, app, received.body, received.inserted_at, reason)
    await app.in_thread(app.poison.delete, received)


def _alert(app: App, message: Message, delivery: Delivery) -> None:
    if not app.alerts.is_noted(message.delivery_id, message.schedule):
        note_failure(app, message, delivery)
        app.alerts.write(message.delivery_id, delivery, message.schedule)
        app.counts.came(app.now(), message.delivery_id, "exhausted")
    reason = delivery.reason or ""
    logs.error(
        "delivery.exhausted",
        deliveryId=message.delivery,
        endpointId=message.delivery_id.endpoint,
        type=delivery.type,
        idempotencyKey=delivery.key,
        attempts=len(delivery.attempts),
        reason=reason,
    )
    endpoint = app.endpoints.get(message.delivery_id.endpoint)
    if endpoint is not None and endpoint.generation == delivery.generation and delivery.attempts:
        last = delivery.attempts[-1]
        if isinstance(diagnose(last.status, last.response), Unacceptable):
            return  # the endpoint is well: it was this event that it did not take
        now, reason = app.now(), failure_reason(last)
        failing = app.endpoints.change_health(
            endpoint, lambda health: note_exhausted(health, message.delivery, last.started_at, reason, now)
        )
        _assess(app, failing, delivery)


def _tell(app: App, endpoint_id: str) -> None:
    """What is noted is not lost: where it cannot be told now, the timer `measure` tells it."""
    try:
        tell_failures(app, endpoint_id)
    except StorageUnavailable as error:
        logs.warning("failure.told_later", endpointId=endpoint_id, error=str(error)[:300])


def _assess(app: App, endpoint: Endpoint, delivery: Delivery) -> None:
    """Warns of an endpoint that has failed for long, and disables it in the end. A delivery of a `webhook.*` event
    announces nothing, and so does not use up the one warning."""
    if endpoint.health.disabled_reason is not None:
        publish_endpoint_disabled(
            app, endpoint, delivery.type, news=False
        )  # storage may have failed after the disabling
        return
    match assess_health(endpoint.health, app.now(), app.settings.disable_after):
        case Warn(reason) if not delivery.type.startswith(OPERATIONAL_PREFIX):
            publish_endpoint_failing(app, endpoint, reason, delivery.type)
            app.endpoints.change_health(endpoint, note_warned)
        case Disable(reason):
            disabled = app.endpoints.change_health(endpoint, lambda health: disable(health, reason, app.now()))
            publish_endpoint_disabled(app, disabled, delivery.type)


def _keep(app: App, body: bytes, inserted_at: datetime | None, reason: str) -> None:
    """A message that cannot be read, verbatim. Its time may be one the body claims (see `sweep`), so it must be
    plausible to count."""
    now = app.now()
    at = inserted_at if inserted_at and now - _OLDEST_MESSAGE <= inserted_at <= now + timedelta(minutes=5) else now
    line_id = app.alerts.write_malformed(at, digest(body.decode("utf-8", "replace")), body, reason)
    logs.error("poison.malformed", id=line_id, reason=reason, bytes=len(body))
