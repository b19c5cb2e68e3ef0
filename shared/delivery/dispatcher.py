"""One message of the queue: read what may be known of its delivery, decide, and make one attempt or put it off.

What makes this safe under crashes and copies of messages is told in docs/architecture.md, and tested by a simulation of
every crash point (tests/unit/delivery/test_crash_points.py):

- The row is read before the POST whenever the message may not be the first of its kind; a first delivery costs no read.
- Attempt 1 is written by insert, later ones with If-Match, each with a token of the invocation.
- A recorded attempt decides what follows, and whoever finds it recorded may only put *that* message again. Copies of
  a message find each other out at the row, so that no crash starts a second chain.
- One instance has one message of a delivery in hand at a time, and puts none while the same one is hidden.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import logs
from shared.app import App
from shared.delivery.attempt import Attempted
from shared.delivery.batches import attempt_or_hold, due_in
from shared.delivery.deadlines import longest_delivery
from shared.delivery.gate import Deferral, GiveUp, a_while, held_by_pace
from shared.delivery.publisher import NeverAccepted, accepted_event
from shared.delivery.recorder import delays_of, endpoint_of, follow_up, record, record_result, verdict_on
from shared.delivery.schedule import Retry, asks_for_less
from shared.delivery.succession import handle_in_turn, note_held
from shared.delivery.transitions import ERASED, cancelled
from shared.formats import FORMATS
from shared.model import Attempt, Delivery, Endpoint, Event
from shared.model.health import note_success
from shared.storage import messages
from shared.storage.messages import MalformedMessage, Message, decode, encode
from shared.storage.queues import POISON
from shared.storage.rows import Versioned, change_on_loop

LATE = timedelta(seconds=60)
"""A message seen this long after it became visible may have been repeated meanwhile."""

Row = Versioned[Delivery] | None
"""A delivery's row as it was read; None before its first attempt is recorded."""


@dataclass(frozen=True)
class Findings:
    """What was read for a message: its row, its endpoint and its event, each only where it may matter."""

    stored: Row = None
    endpoint: Endpoint | None = None
    event: Event | NeverAccepted | None = None


@dataclass(frozen=True)
class MakeAttempt:
    endpoint: Endpoint
    event: Event


@dataclass(frozen=True)
class FollowUp:
    """The attempt is recorded; what follows it may not have been put."""

    delivery: Delivery


@dataclass(frozen=True)
class RecordResult:
    """The attempt was made, and is not recorded yet."""

    result: Attempt


@dataclass(frozen=True)
class Cancel:
    reason: str


@dataclass(frozen=True)
class Poison:
    """The message is about nothing that was accepted here."""


@dataclass(frozen=True)
class Nothing:
    """Another message of the delivery has gone on, or will."""


Action = MakeAttempt | FollowUp | RecordResult | Cancel | Poison | Nothing


def what_to_do(message: Message, found: Findings) -> Action:
    """What a message calls for."""
    if found.stored is not None and not _still_to_make(found.stored.value, message):
        return FollowUp(found.stored.value) if message.redelivered else Nothing()
    if isinstance(found.event, NeverAccepted):
        return Poison()
    if message.result is not None:
        return RecordResult(message.result)
    reason = _why_not(found.endpoint, message)
    if found.endpoint is None or found.event is None or reason:
        return Cancel(reason or ERASED)
    return MakeAttempt(found.endpoint, found.event)


async def dispatch(app: App, body: bytes, dequeue_count: int) -> None:
    """Handles one message of the `deliveries` queue. Raises StorageUnavailable: the message then comes back."""
    try:
        message = decode(body)
    except MalformedMessage:
        await app.sender.put(POISON, body.decode("utf-8", "replace"))
        return
    if dequeue_count > 1:
        message = messages.redelivered(message)
    await handle_in_turn(app, message, body, _handle_alone)


async def _handle_alone(app: App, message: Message, body: bytes) -> Delivery | None:
    with app.queue.claim(message) as alone:
        if alone:
            return await _handle(app, message, body)
        await _defer(app, message, Deferral("duplicate", a_while(message)))
        return None


async def _handle(app: App, message: Message, body: bytes) -> Delivery | None:
    """Returns the delivery's row, where this message has seen to its end."""
    found = await _read(app, message)
    match what_to_do(message, found):
        case MakeAttempt(endpoint, event):
            return await _attempt_or_defer(app, message, endpoint, event, found.stored)
        case FollowUp(delivery):
            await follow_up(app, message, delivery, await endpoint_of(app, message))
            return delivery
        case RecordResult(result):
            return await record_result(app, message, result, found.endpoint)
        case Cancel(reason):
            return await _cancel(app, message, reason, found.stored)
        case Poison():
            await app.sender.put(POISON, body.decode())
        case Nothing() if found.stored is not None and found.stored.value.status != "pending":
            return found.stored.value  # no other message of it may come: it was erased, or sent at an admin's wish
    return None


async def _read(app: App, message: Message) -> Findings:
    stored: Row = None
    if message.result is None and _may_be_known(message, app.now()):
        stored = await app.rows.get(message.delivery_id)
        if stored is not None and not _still_to_make(stored.value, message):
            return Findings(stored)
    endpoint = await endpoint_of(app, message)
    if _why_not(endpoint, message):  # by a snapshot of some seconds ago: nothing is cancelled on its word
        endpoint = await app.in_thread(app.endpoints.read, message.delivery_id.endpoint)
    event: Event | NeverAccepted | None = message.event
    if event is None or endpoint is None:
        event = await app.in_thread(accepted_event, app, message)
    return Findings(stored, endpoint, event)


async def _attempt_or_defer(
    app: App, message: Message, endpoint: Endpoint, event: Event, stored: Row
) -> Delivery | None:
    """Returns the row where this attempt stands in it."""
    now = app.now()
    wait = due_in(message, endpoint, now)
    if wait:
        deadline_at = now + wait + longest_delivery(app, endpoint)  # the same each time: copies are known by it
        await _defer(app, message, Deferral("digest", wait.total_seconds(), deadline_at))
        return None
    known = None if stored is None else stored.value
    outcome = await attempt_or_hold(app, message, endpoint, event, known, delays_of(app, endpoint))
    if isinstance(outcome, Attempted):
        return await _conclude(app, message, endpoint, outcome, stored)
    await _put_off(app, message, outcome)
    return None


async def _conclude(
    app: App, message: Message, endpoint: Endpoint, attempted: Attempted, stored: Row
) -> Delivery | None:
    """Records the attempt, or where the endpoint asked for less puts it off unspent."""
    made = attempted.attempt
    if asks_for_less(made.status, attempted.retry_after):
        held = held_by_pace(app, message, endpoint) or Deferral("pacing", 1.0)
        log_attempt(message, endpoint, attempted, "deferred" if isinstance(held, Deferral) else "exhausted")
        await _put_off(app, message, held)
        return None
    verdict = verdict_on(app, message, attempted, endpoint)
    log_attempt(message, endpoint, attempted, verdict.word, verdict.after if isinstance(verdict, Retry) else None)
    delivery = await record(app, message, attempted, verdict, endpoint, stored)
    succeeded = delivery is not None and delivery.status == "delivered"
    app.counts.came(
        made.ended_at, message.delivery_id, "delivered" if verdict.word == "delivered" else "failedAttempts"
    )
    if succeeded and endpoint.health.first_failure_at is not None:
        await app.in_thread(app.endpoints.change_health, endpoint, lambda health: note_success(health, made.started_at))
    return delivery


def log_attempt(
    message: Message, endpoint: Endpoint, attempted: Attempted, following: str, retry_in: timedelta | None = None
) -> None:
    """The one line of an attempt, written when it is known what follows, and before that is recorded: so a crash leaves
    no recorded attempt without its line."""
    made = attempted.attempt
    logs.info(
        "delivery.attempted",
        deliveryId=message.delivery,
        endpointId=endpoint.id,
        host=endpoint.host,
        type=message.type,
        idempotencyKey=message.key,
        attempt=made.number,
        status=made.status,
        error=made.error,
        durationMs=made.duration_ms,
        next=following,
        together=attempted.together if attempted.together > 1 else None,
        retryInSeconds=None if retry_in is None else max(0, round(retry_in.total_seconds())),
        manual=message.manual or None,
        test=True if following == "test" else None,
    )


async def _cancel(app: App, message: Message, reason: str, stored: Row) -> Delivery | None:
    delivery = await change_on_loop(app.rows, message.delivery_id, lambda now: cancelled(now, message, reason), stored)
    if message.manual and delivery is not None and delivery.status == "cancelled":
        await app.in_thread(app.alerts.renew, message.delivery_id, delivery)
    app.counts.came(app.now(), message.delivery_id, "cancelled")
    logs.info("delivery.cancelled", deliveryId=message.delivery, reason=reason)
    return delivery


async def _put_off(app: App, message: Message, held: Deferral | GiveUp) -> None:
    if isinstance(held, GiveUp):
        await app.sender.put(POISON, encode(messages.abandoned(message, held.reason)))
    else:
        await _defer(app, message, held)


async def _defer(app: App, message: Message, deferral: Deferral) -> None:
    """Puts the message back, spending no attempt."""
    delay = timedelta(seconds=deferral.seconds)
    due_at = app.now() + delay
    noted = await note_held(app, message, due_at)
    await app.queue.put(messages.deferred(message, due_at, deferral.deadline_at, seen=noted), delay)
    logs.info(
        "delivery.deferred",
        deliveryId=message.delivery,
        endpointId=message.delivery_id.endpoint,
        by=deferral.by,
        seconds=round(deferral.seconds),
    )


def _may_be_known(message: Message, now: datetime) -> bool:
    return message.redelivered or message.attempt > 1 or message.possible_duplicate or now - message.due_at > LATE


def _still_to_make(delivery: Delivery, message: Message) -> bool:
    """Whether this message's attempt is neither recorded nor made pointless."""
    if delivery.erased or delivery.status == "delivered" or delivery.last_number >= message.attempt:
        return False
    return delivery.status == "pending" or (message.manual and message.schedule_start == message.attempt)


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
