"""One message of the queue: read what may be known of its delivery, decide, and make one attempt or put it off.

What makes this safe under crashes and copies of messages is told in docs/architecture.md, and tested by a simulation of
every crash point (tests/unit/delivery/test_crash_points.py):

- The row is read before the POST whenever the message may not be the first of its kind; a first delivery costs no read.
- Attempt 1 is written by insert, later ones with If-Match, each with a token of the invocation.
- A recorded attempt decides what follows, and whoever finds it recorded may only put *that* message again. Copies of
  a message find each other out at the row, so that no crash starts a second chain.
- One instance has one message of a delivery in hand at a time, and puts none while the same one is hidden.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared import logs
from shared.app import App
from shared.delivery.attempt import Attempted, attempt
from shared.delivery.diagnosis import diagnose
from shared.delivery.publisher import NeverAccepted, accepted_event
from shared.delivery.recorder import follow_up, record, record_result
from shared.delivery.schedule import asks_for_less, is_success
from shared.delivery.transitions import ERASED, cancelled
from shared.formats import FORMATS
from shared.model import Attempt, Delivery, Endpoint, Event
from shared.model.health import note_success
from shared.model.retry_after import LONGEST_RETRY_AFTER
from shared.outbound.breaker import PROBE_DEADLINE
from shared.outbound.pacing import SOON_SECONDS
from shared.storage import messages
from shared.storage.messages import MalformedMessage, Message, decode, encode
from shared.storage.queues import POISON
from shared.storage.rows import Versioned, change_on_loop

DEFERRED_SECONDS = (4.0, 300.0)
"""How long a message waits that found no slot: at first, and at most; it doubles each time, and up to half of it is
added by chance, lest all return at once."""

PACED_EARLY_SECONDS = 2.0
"""A paced message comes back so much before its time, since a queue is not exact, and waits the rest in memory."""

MOST_PACED_IN_MEMORY = 64

LATE = timedelta(seconds=60)
"""A message seen this long after it became visible may have been repeated meanwhile."""

PACED_LONGEST = timedelta(hours=24)
"""A delivery that pacing holds may be so much later than others, while its endpoint takes deliveries."""

_STILL_TAKING = timedelta(minutes=15)
_SHORTEST_SLEEP_SECONDS = 0.001

By = Literal["breaker", "bulkhead", "pacing", "duplicate"]


@dataclass(frozen=True)
class Findings:
    """What was read for a message: its row, its endpoint and its event, each only where it may matter."""

    stored: Versioned[Delivery] | None = None
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


@dataclass(frozen=True)
class Deferral:
    """Put the message back."""

    by: By
    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """The delivery's time is over."""

    reason: str


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
    with app.queue.claim(message) as alone:
        if alone:
            await _handle(app, message, body)
        else:
            await _defer(app, message, Deferral("duplicate", _a_while(message)))


async def _handle(app: App, message: Message, body: bytes) -> None:
    found = await _read(app, message)
    match what_to_do(message, found):
        case MakeAttempt(endpoint, event):
            await _attempt_or_defer(app, message, endpoint, event, found.stored)
        case FollowUp(delivery):
            await follow_up(app, message, delivery)
        case RecordResult(result):
            await record_result(app, message, result, found.endpoint)
        case Cancel(reason):
            await _cancel(app, message, reason, found.stored)
        case Poison():
            await app.sender.put(POISON, body.decode())


async def _read(app: App, message: Message) -> Findings:
    stored: Versioned[Delivery] | None = None
    if message.result is None and _may_be_known(message, app.now()):
        stored = await app.rows.get(message.delivery_id)
        if stored is not None and not _still_to_make(stored.value, message):
            return Findings(stored)
    endpoint = await app.endpoints.get_on_loop(message.delivery_id.endpoint, app.in_thread)
    if _why_not(endpoint, message):  # by a snapshot of some seconds ago: nothing is cancelled on its word
        endpoint = await app.in_thread(app.endpoints.read, message.delivery_id.endpoint)
    event: Event | NeverAccepted | None = message.event
    if event is None or endpoint is None:
        event = await app.in_thread(accepted_event, app, message)
    return Findings(stored, endpoint, event)


async def _attempt_or_defer(
    app: App, message: Message, endpoint: Endpoint, event: Event, stored: Versioned[Delivery] | None
) -> None:
    held = await _held(app, message, endpoint)
    if held is None:
        async with app.bulkhead.slot(endpoint.id) as taken:
            if taken:
                attempted = await _attempt(app, message, endpoint, event)
        if taken:
            await _conclude(app, message, endpoint, attempted, stored)
            return
        held = Deferral("bulkhead", _a_while(message))
    if isinstance(held, GiveUp):
        await app.sender.put(POISON, encode(messages.abandoned(message, held.reason)))
    else:
        await _defer(app, message, held)


async def _held(app: App, message: Message, endpoint: Endpoint) -> Deferral | GiveUp | None:
    """What stands against an attempt now: the breaker, or the endpoint's pace, for whose next place it may wait."""
    left_seconds = (message.deadline_at - app.now()).total_seconds()
    overdue = left_seconds <= 0
    wait = app.breaker.wait_seconds(endpoint.id, message.delivery, app.seconds())
    if wait > 0 and not overdue:
        return Deferral("breaker", min(wait, max(left_seconds, 1.0)))
    if wait > 0 and message.attempt > message.schedule_start:
        return GiveUp("endpoint failing")
    while (wait := _paced(app, message, endpoint)) > 0:
        if overdue and not _keeps_taking(app, message, endpoint):
            return GiveUp("the receiver kept asking for less (429) until the delivery's time was over")
        if wait > SOON_SECONDS or app.pacing.waiting >= MOST_PACED_IN_MEMORY:
            return Deferral("pacing", max(wait - PACED_EARLY_SECONDS, 1.0))
        with app.pacing.in_memory():
            await app.sleep(max(wait, _SHORTEST_SLEEP_SECONDS))
    return None


def _paced(app: App, message: Message, endpoint: Endpoint) -> float:
    return app.pacing.wait_seconds(
        endpoint.id, message.delivery, app.seconds(), endpoint.max_per_second, message.deferrals
    )


def _keeps_taking(app: App, message: Message, endpoint: Endpoint) -> bool:
    in_time = app.now() < message.deadline_at + PACED_LONGEST
    return in_time and app.pacing.keeps_taking(endpoint.id, app.seconds(), _STILL_TAKING)


async def _attempt(app: App, message: Message, endpoint: Endpoint, event: Event) -> Attempted:
    """Makes an attempt, and has the breaker, the bulkhead and pacing know what came of it."""
    probes = app.breaker.begin(endpoint.id, message.delivery, app.seconds())
    attempted = await attempt(app, endpoint, message, event, PROBE_DEADLINE if probes else None)
    made, now = attempted.attempt, app.seconds()
    if asks_for_less(made.status, attempted.retry_after):
        app.pacing.refused(endpoint.id, min(attempted.retry_after or timedelta(), LONGEST_RETRY_AFTER), now)
        app.bulkhead.slow_down(endpoint.id)
        app.breaker.record(endpoint.id, message.delivery, True, now)
        return attempted
    well = is_success(made.status) or diagnose(made.status, made.response) is not None
    app.bulkhead.record(endpoint.id, well)
    if well:
        app.pacing.taken(endpoint.id, now)
    if app.breaker.record(endpoint.id, message.delivery, well, now):
        logs.warning("breaker.opened", endpointId=endpoint.id, host=endpoint.host)
    return attempted


async def _conclude(
    app: App, message: Message, endpoint: Endpoint, attempted: Attempted, stored: Versioned[Delivery] | None
) -> None:
    """Records the attempt, or where the endpoint asked for less puts it off unspent."""
    made = attempted.attempt
    if asks_for_less(made.status, attempted.retry_after):
        held = await _held(app, message, endpoint) or Deferral("pacing", 1.0)
        log_attempt(message, endpoint, made, "deferred" if isinstance(held, Deferral) else "exhausted")
        if isinstance(held, GiveUp):
            await app.sender.put(POISON, encode(messages.abandoned(message, held.reason)))
        else:
            await _defer(app, message, held)
        return
    outcome, delivery = await record(app, message, attempted, endpoint, stored)
    retry_at = None if delivery is None else delivery.next_attempt_at
    log_attempt(message, endpoint, made, outcome, retry_at - app.now() if retry_at else None)
    if outcome == "delivered" and endpoint.health.first_failure_at is not None:
        await app.in_thread(app.endpoints.change_health, endpoint, lambda health: note_success(health, made.started_at))


def log_attempt(
    message: Message, endpoint: Endpoint, made: Attempt, following: str, retry_in: timedelta | None = None
) -> None:
    """The one line of an attempt, written when it is known what follows."""
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
        retryInSeconds=None if retry_in is None else max(0, round(retry_in.total_seconds())),
        manual=message.manual or None,
        test=True if following == "test" else None,
    )


async def _cancel(app: App, message: Message, reason: str, stored: Versioned[Delivery] | None) -> None:
    delivery = await change_on_loop(app.rows, message.delivery_id, lambda now: cancelled(now, message, reason), stored)
    if message.manual and delivery is not None and delivery.status == "cancelled":
        await app.in_thread(app.alerts.renew, message.delivery_id, delivery)
    logs.info("delivery.cancelled", deliveryId=message.delivery, reason=reason)


async def _defer(app: App, message: Message, deferral: Deferral) -> None:
    """Puts the message back, spending no attempt."""
    delay = timedelta(seconds=deferral.seconds)
    await app.queue.put(messages.deferred(message, app.now() + delay), delay)
    logs.info(
        "delivery.deferred",
        deliveryId=message.delivery,
        endpointId=message.delivery_id.endpoint,
        by=deferral.by,
        seconds=round(deferral.seconds),
    )


def _a_while(message: Message) -> float:
    """Longer each time, so that a message is put back a few times and not every few seconds."""
    first, most = DEFERRED_SECONDS
    return min(first * 2.0 ** min(message.deferrals, 10), most) * random.uniform(1.0, 1.5)  # noqa: S311 (jitter)


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
