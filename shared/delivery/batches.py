"""Batches: deliveries that wait for the same endpoint go to it in one request, where its wire format can say several.

Each waits for its own turn, as it would alone (shared/delivery/gate.py). The first whose turn comes takes along those
that wait at that moment, and each of them records the answer as an attempt of its own. So nothing else of a delivery
knows of batches: its message, its row and what follows an attempt are as ever.

What keeps one bad event from failing its neighbours:

- A batch whose body the receiver refuses is no attempt of anybody's: each in it goes by itself, and for a while so do
  all that follow.
- A delivery whose last attempt may have failed because of its own body goes by itself, as does every last attempt of a
  schedule (but for a first one, that waited for a digest), and whatever an admin asked for.
"""

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import logs
from shared.app import App
from shared.delivery.attempt import RENDERED_IN_THREAD_BYTES, Attempted, Batch, attempt
from shared.delivery.diagnosis import Ended, Paused, Unacceptable, diagnose
from shared.delivery.gate import Deferral, GiveUp, MayGoAlong, after_change, through_gate
from shared.formats import FORMATS
from shared.formats.rendering import digest_period, goes_together, render_together
from shared.model import Attempt, Delivery, Endpoint, Event, digest, from_ms
from shared.model.delivery import Unsendable
from shared.outbound.gathering import Waiter
from shared.outbound.pacing import MOST_IN_MEMORY
from shared.storage.clients import StorageUnavailable
from shared.storage.messages import Message

GATHER_SECONDS = 5.0
"""For how long what is due at the same moment is waited for: the host asks the queue every two seconds."""

_OF_THE_ENDPOINT = (401, 402, 403, 404, 405, 407, 408, 410, 429)
"""Answers that say nothing of a body."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sending:
    """A delivery that waits for its turn."""

    message: Message
    event: Event


async def attempt_or_hold(
    app: App, message: Message, endpoint: Endpoint, event: Event, stored: Delivery | None, delays: Sequence[timedelta]
) -> Attempted | Deferral | GiveUp:
    """Makes an attempt when its turn comes, alone or in a batch, or says what stands against it. `stored` is the
    delivery's row where one is known, `delays` its schedule."""
    if not may_go_along(message, endpoint, stored, delays):
        return await _alone(app, message, endpoint, event)
    while not app.gathering.are_apart(key := _key(message, endpoint), app.seconds()):
        with app.gathering.waiter(key, Sending(message, event)) as waiter:
            changed = await _gather(app, message, endpoint, waiter)
            if changed and not waiter.taken.done():
                return changed
            attempt_first = functools.partial(_attempt_first, app, endpoint, key, waiter)
            outcome = await through_gate(app, message, endpoint, attempt_first, waiter)
        if outcome is not None and not (isinstance(outcome, Attempted) and _refused_together(outcome)):
            return outcome
        if changed := await after_change(app, endpoint):
            return changed
    return await _alone(app, message, endpoint, event)


def due_in(message: Message, endpoint: Endpoint, now: datetime) -> timedelta:
    """How long a first attempt still waits for the next digest of its endpoint; not at all where it has none."""
    period = digest_period(endpoint, message.format)
    if period is None or message.attempt > 1 or message.manual:
        return timedelta()
    return max(next_digest(from_ms(message.delivery_id.accepted_ms), period) - now, timedelta())


def next_digest(accepted_at: datetime, period: timedelta) -> datetime:
    """The first multiple of the period, counted from 1970, after an event was accepted."""
    return _EPOCH + ((accepted_at - _EPOCH) // period + 1) * period


def may_go_along(message: Message, endpoint: Endpoint, stored: Delivery | None, delays: Sequence[timedelta]) -> bool:
    """Whether an attempt may be made together with those of other deliveries."""
    if not goes_together(endpoint, message.format) or message.manual:
        return False
    waited_for_digest = message.attempt == 1 and digest_period(endpoint, message.format) is not None
    if message.attempt - message.schedule_start >= len(delays) and not waited_for_digest:
        return False
    last = stored.attempts[-1] if stored is not None and stored.attempts else None
    return last is None or not (refuses_body(last) or last.status == 500)


def refuses_body(made: Attempt) -> bool:
    """Whether an answer says that it was this body that the receiver did not take: 400, 413, 422 and their like, unless
    it says for sure that the endpoint as a whole takes nothing."""
    meaning = diagnose(made.status, made.response)
    if isinstance(meaning, Paused | Ended):
        return False
    status = made.status or 0
    return isinstance(meaning, Unacceptable) or (400 <= status <= 499 and status not in _OF_THE_ENDPOINT)


def batch_id(keys: Sequence[str]) -> str:
    """The `webhook-id` of a batch: the same for the same events, and never an idempotency key, which has no `/`."""
    return f"batch/{digest(' '.join(keys))}"


async def _alone(app: App, message: Message, endpoint: Endpoint, event: Event) -> Attempted | Deferral | GiveUp:
    outcome = await through_gate(app, message, endpoint, lambda within: attempt(app, endpoint, message, event, within))
    assert outcome is not None  # noqa: S101 (nobody takes it along)
    return outcome


async def _gather(app: App, message: Message, endpoint: Endpoint, waiter: MayGoAlong) -> Deferral | None:
    """Waits for those that are due at the same moment."""
    if app.pacing.waiting >= MOST_IN_MEMORY or digest_period(endpoint, message.format) is None:
        return None
    with app.pacing.in_memory():
        await waiter.sleep(GATHER_SECONDS)
    return await after_change(app, endpoint)


async def _attempt_first(
    app: App, endpoint: Endpoint, key: Hashable, waiter: MayGoAlong, within: timedelta | None
) -> Attempted:
    """The attempt of a delivery whose turn has come, with those that wait. A probe of the breaker goes alone."""
    first: Sending = waiter.item
    others = [] if within is not None else _taken_along(app, endpoint, key, first)
    if not others:
        return await attempt(app, endpoint, first.message, first.event, within)
    try:
        batch = await _batch_or_none(app, endpoint, key, first, [other.item for other in others])
        room = batch.size - 1 if batch else 0
        others, left = others[:room], others[room:]
        _send_back(app, endpoint, left)
        return await _attempt_with(app, endpoint, key, first, others, batch, within)
    except BaseException as error:
        lost = error if isinstance(error, Exception) else StorageUnavailable("the process is ending")
        for other in others:
            other.fail(lost)
        raise
    finally:
        if others:
            app.bulkhead.part(endpoint.id, len(others))


def _send_back(app: App, endpoint: Endpoint, left: Sequence[MayGoAlong]) -> None:
    """Has those wait again for which there is no room in the body, without the slots that they had in it."""
    for each in left:
        each.settle(None)
    if left:
        app.bulkhead.part(endpoint.id, len(left))


def _taken_along(app: App, endpoint: Endpoint, key: Hashable, first: Sending) -> list[Waiter[Any, Any]]:
    """Those that wait, first those accepted first: as many as there is room for in a body, and slots for. The contents
    say roughly how long a body will be."""
    room = FORMATS[first.message.format].most_bytes - len(first.event.content)

    def wanted(other: Sending) -> bool:
        nonlocal room
        if len(other.event.content) > room or not app.bulkhead.join(endpoint.id):
            return False
        room -= len(other.event.content)
        return True

    return list(app.gathering.take(key, _accepted, wanted))


async def _attempt_with(
    app: App,
    endpoint: Endpoint,
    key: Hashable,
    first: Sending,
    others: Sequence[MayGoAlong],
    batch: Batch | None,
    within: timedelta | None,
) -> Attempted:
    """The attempt of a delivery together with others, all of which are in the batch."""
    attempted = await attempt(app, endpoint, first.message, first.event, within, batch)
    if _refused_together(attempted):
        app.gathering.keep_apart(key, app.seconds())
        status, count = attempted.attempt.status, attempted.together
        logs.warning("batch.refused", endpointId=endpoint.id, host=endpoint.host, status=status, deliveries=count)
    for other in others:
        made = attempted.attempt.model_copy(update={"number": other.item.message.attempt})
        other.settle(replace(attempted, attempt=made))
    return attempted


def _refused_together(attempted: Attempted) -> bool:
    """Whether an attempt says nothing of its delivery, since a batch was refused for what is in it."""
    return attempted.together > 1 and refuses_body(attempted.attempt)


async def _batch_or_none(
    app: App, endpoint: Endpoint, key: Hashable, first: Sending, others: Sequence[Sending]
) -> Batch | None:
    """As `_batch`; None where none can be made of them. Whose event it is shows when each goes by itself."""
    try:
        return await _batch(app, endpoint, first, others)
    except Exception as error:
        app.gathering.keep_apart(key, app.seconds())
        reason = str(error) if isinstance(error, Unsendable) else type(error).__name__
        logs.warning("batch.unmade", endpointId=endpoint.id, reason=reason[:300], deliveries=1 + len(others))
        return None


async def _batch(app: App, endpoint: Endpoint, first: Sending, others: Sequence[Sending]) -> Batch | None:
    """As `fitting_batch`, off the loop where it takes long."""
    size = len(first.event.content) + sum(len(other.event.content) for other in others)
    if size >= RENDERED_IN_THREAD_BYTES:
        batch: Batch | None = await app.in_thread(fitting_batch, endpoint, first, others)
        return batch
    return fitting_batch(endpoint, first, others)


def fitting_batch(endpoint: Endpoint, first: Sending, others: Sequence[Sending]) -> Batch | None:
    """A delivery in one body with as many of the first of the others as there is room for, in the order in which they
    were accepted; None where there is room for none. Raises Unsendable."""
    name, count = first.message.format, len(others)
    while count:
        sent = sorted((first, *others[:count]), key=_accepted)
        body = render_together(endpoint, name, [each.event for each in sent])
        size, most = len(body[1]), FORMATS[name].most_bytes
        if size <= most:
            return Batch(batch_id([each.event.key for each in sent]), body, len(sent))
        count = min(count - 1, count * most // size)
    return None


def _accepted(sending: Sending) -> tuple[int, str]:
    """By which deliveries are put in the order in which their events were accepted."""
    return sending.message.event_accepted_ms, sending.message.delivery


def _key(message: Message, endpoint: Endpoint) -> Hashable:
    """What deliveries have in common that go together: the endpoint as it is, and the wire format."""
    return endpoint.id, endpoint.generation, endpoint.updated_at, message.format
