"""What reached `deliveries-poison`, whoever put it there: into the alert log, and nothing lost on the way.

Every step can be repeated: row keys derive from the delivery id, or from a hash of the body where it cannot be read.
It raises only when storage itself fails.
"""

import time
from datetime import datetime, timedelta

from shared.app import App
from shared.delivery.dispatch import Unknown, next_message, stored_event
from shared.delivery.messages import MalformedMessage, Message, decode
from shared.delivery.transitions import change, failed
from shared.logs import write_line
from shared.model import Delivery, digest

_OLDEST_MESSAGE = timedelta(days=8)
_SWEEP_LENGTH = timedelta(minutes=4, seconds=30)
_SWEEP_HIDES = timedelta(minutes=2)
_SWEEP_PAUSE_SECONDS = 0.25
_CRASHED = "the dispatcher failed on it until the queue gave up; see the log lines of its delivery id"


def exhausted(app: App, body: bytes, inserted_at: datetime | None) -> None:
    """Handles one poison message. Raises StorageUnavailable: the message then comes back."""
    try:
        message = decode(body)
    except MalformedMessage as error:
        _keep(app, body, inserted_at, str(error))
        return
    stored = stored_event(app, message)
    if isinstance(stored, Unknown):
        _keep(app, body, inserted_at, stored.reason)
        return
    delivery = change(app, message.delivery_id, lambda now: failed(now, message, _CRASHED))
    if delivery is None:
        _keep(app, body, inserted_at, "its week has passed retention")
    elif delivery.status == "pending" and delivery.last_number == message.attempt:
        app.queue.put(*next_message(message, delivery, app.now()))  # recorded, and stopped before the next was put
    elif delivery.status == "failed" and delivery.last_number <= message.attempt:
        _alert(app, message, delivery)


def sweep(app: App, length: timedelta = _SWEEP_LENGTH) -> int:
    """Takes poison messages that never reach `exhausted`: a body whose top-level properties the host took for its own
    metadata fails before any code runs, and is hidden again until its lease ends. Answers how many it took.

    Such a message is visible for a moment only, until the host takes it again. So while the queue is not empty this
    keeps asking, more often than the host does; an empty queue costs two calls.
    """
    ends_at = time.monotonic() + length.total_seconds()
    taken = 0
    while True:
        for received in app.poison.receive(32, _SWEEP_HIDES):
            exhausted(app, received.body, received.inserted_at)
            app.poison.delete(received)
            taken += 1
        if app.poison.length() == 0 or time.monotonic() >= ends_at:
            break
        time.sleep(_SWEEP_PAUSE_SECONDS)  # nothing announces that a message has become visible
    if taken:
        write_line("poison.swept", messages=taken)
    return taken


def _alert(app: App, message: Message, delivery: Delivery) -> None:
    app.deliveries.note_alert(message.delivery_id, delivery)
    reason = delivery.reason or ""
    write_line(
        "delivery.exhausted",
        40,
        deliveryId=message.delivery,
        endpointId=message.delivery_id.endpoint,
        type=delivery.type,
        idempotencyKey=delivery.key,
        attempts=len(delivery.attempts),
        reason=reason,
    )
    endpoint = app.endpoints.get(message.delivery_id.endpoint)
    if endpoint is not None and endpoint.generation == delivery.generation and delivery.attempts:
        app.endpoints.note_failing(endpoint, delivery.attempts[0].started_at, reason)


def _keep(app: App, body: bytes, inserted_at: datetime | None, reason: str) -> None:
    """A message that cannot be read, verbatim. Its time may be one the body claims (see `sweep`), so it must be
    plausible to count."""
    now = app.now()
    at = inserted_at if inserted_at and now - _OLDEST_MESSAGE <= inserted_at <= now + timedelta(minutes=5) else now
    line_id = app.deliveries.note_malformed(at, digest(body.decode("utf-8", "replace")), body, reason)
    write_line("poison.malformed", 40, id=line_id, reason=reason, bytes=len(body))
