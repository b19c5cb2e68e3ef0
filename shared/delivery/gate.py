"""What an attempt must pass: the breaker, the endpoint's pace and the bulkhead; and what they learn of its outcome.

Each of the three decides by itself (shared/outbound); here they are asked in turn, and a message that cannot go ahead
now is put off without spending an attempt, or given up when its time is over. One that may go in the request of another
is taken along while it waits (shared/delivery/batches.py).
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from shared import logs
from shared.app import App
from shared.delivery.attempt import Attempted
from shared.delivery.diagnosis import diagnose
from shared.delivery.schedule import asks_for_less, is_success
from shared.formats.rendering import goes_together
from shared.model import Endpoint
from shared.model.retry_after import LONGEST_RETRY_AFTER
from shared.outbound.gathering import Waiter
from shared.outbound.pacing import MOST_IN_MEMORY, SOON_SECONDS
from shared.storage.clients import StorageUnavailable
from shared.storage.messages import Message

DEFERRED_SECONDS = (4.0, 64.0)
"""How long a message waits that found no slot: at first, and at most; it doubles each time, and up to half of it is
added by chance, lest all return at once."""

chance = random.Random()  # noqa: S311 (jitter)
"""Of its own, so that a simulation can seed it and nothing else with it."""

PACED_EARLY_SECONDS = 2.0
"""A paced message comes back so much before its time, since a queue is not exact, and waits the rest in memory."""

PACED_LONGEST = timedelta(hours=24)
"""A delivery that pacing holds may be so much later than others, while its endpoint takes deliveries."""

_ONE_PLACE = ""
"""In the line of an endpoint whose deliveries go together: who comes first when it is time takes the others along."""

_MOST_DEFERRALS_OF_ONE_PLACE = 4
"""For the pause after which one comes back that found no room to wait: the line is short, however many are in it."""

_STILL_TAKING = timedelta(minutes=15)
_SHORTEST_SLEEP_SECONDS = 0.001

MakeAttempt = Callable[[timedelta | None], Awaitable[Attempted]]
"""Makes an attempt within a deadline, where it is not the usual one."""

MayGoAlong = Waiter[Any, Attempted | None]
"""Of a delivery that another may take along. None comes of it where there was no room for it in the end."""

By = Literal["breaker", "bulkhead", "pacing", "duplicate", "digest", "change"]


@dataclass(frozen=True)
class Deferral:
    """Put the message back."""

    by: By
    seconds: float
    deadline_at: datetime | None = None
    """The delivery's new one, where it was put off by nothing that is wrong."""


@dataclass(frozen=True)
class GiveUp:
    """The delivery's time is over."""

    reason: str


async def through_gate(
    app: App, message: Message, endpoint: Endpoint, make: MakeAttempt, waiter: MayGoAlong | None = None
) -> Attempted | Deferral | GiveUp | None:
    """Has an attempt made when its turn comes, or says what stands against it. A `waiter` may be taken along by another
    delivery meanwhile: then what came of that is returned."""
    held = None if _goes_along(waiter) else await held_back(app, message, endpoint, waiter)
    if held is None and not _goes_along(waiter):
        async with app.bulkhead.slot(endpoint.id, waiter.taken if waiter else None) as taken:
            if taken and not _goes_along(waiter):
                if waiter:
                    waiter.gone = True
                return await attempt_through_gate(app, message, endpoint, make)
        held = held_by_pace(app, message, endpoint) or Deferral("bulkhead", a_while(message))
    return await waiter.outcome if waiter and waiter.taken.done() else held


async def held_back(
    app: App, message: Message, endpoint: Endpoint, waiter: MayGoAlong | None = None
) -> Deferral | GiveUp | None:
    """What stands against an attempt now: the breaker, or the endpoint's pace, for whose next place it may wait."""
    left_seconds = (message.deadline_at - app.now()).total_seconds()
    wait = app.breaker.wait_seconds(endpoint.id, message.delivery, app.seconds())
    if wait > 0 and left_seconds > 0:
        return Deferral("breaker", min(wait, max(left_seconds, 1.0)))
    if wait > 0 and message.attempt > message.schedule_start:
        return GiveUp("endpoint failing")
    while (wait := _paced(app, message, endpoint)) > 0:
        overdue = left_seconds <= 0 and not _keeps_taking(app, message, endpoint)
        if overdue or wait > SOON_SECONDS or app.pacing.waiting >= MOST_IN_MEMORY:
            return _put_off_by_pace(app, message, endpoint, wait)
        with app.pacing.in_memory():
            await (waiter.sleep if waiter else app.sleep)(max(wait, _SHORTEST_SLEEP_SECONDS))
        changed = await after_change(app, endpoint)
        if changed or _goes_along(waiter):
            return changed
    return None


async def after_change(app: App, endpoint: Endpoint) -> Deferral | None:
    """Puts back a delivery whose endpoint was changed while it waited in memory: what was read before may be older than
    a change may be. Where storage does not answer, it goes on."""
    try:
        current = await app.endpoints.get_on_loop(endpoint.id, app.in_thread)
    except StorageUnavailable:
        return None
    same = current is not None and current.as_sent_to == endpoint.as_sent_to
    return None if same else Deferral("change", 1.0)


def held_by_pace(app: App, message: Message, endpoint: Endpoint) -> Deferral | GiveUp | None:
    """As `held_back`, without waiting in memory: for an attempt that found no slot, or that was refused."""
    wait = _paced(app, message, endpoint)
    return _put_off_by_pace(app, message, endpoint, wait) if wait > 0 else None


async def attempt_through_gate(app: App, message: Message, endpoint: Endpoint, make: MakeAttempt) -> Attempted:
    """Has an attempt made, and the breaker, the bulkhead and pacing know what came of it."""
    pause = app.pacing.begin(endpoint.id, app.seconds())
    if pause > 0:
        await app.sleep(pause)
    attempted = await make(app.breaker.begin(endpoint.id, message.delivery, app.seconds()))
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


def a_while(message: Message) -> float:
    """Seconds, more each time, so that a message is put back a few times and not every few seconds."""
    first, most = DEFERRED_SECONDS
    return min(first * 2.0 ** min(message.deferrals, 10), most) * chance.uniform(1.0, 1.5)


def _goes_along(waiter: MayGoAlong | None) -> bool:
    return waiter is not None and waiter.taken.done()


def _put_off_by_pace(app: App, message: Message, endpoint: Endpoint, wait: float) -> Deferral | GiveUp:
    if app.now() >= message.deadline_at and not _keeps_taking(app, message, endpoint):
        return GiveUp("the receiver kept asking for less (429) until the delivery's time was over")
    return Deferral("pacing", max(wait - PACED_EARLY_SECONDS, 1.0))


def _paced(app: App, message: Message, endpoint: Endpoint) -> float:
    place, deferrals = message.delivery, message.deferrals
    if goes_together(endpoint, message.format):
        place, deferrals = _ONE_PLACE, min(deferrals, _MOST_DEFERRALS_OF_ONE_PLACE)
    return app.pacing.wait_seconds(endpoint.id, place, app.seconds(), endpoint.max_per_second, deferrals)


def _keeps_taking(app: App, message: Message, endpoint: Endpoint) -> bool:
    """Or asked, before the delivery's time was over, to be left alone for so long."""
    late, now = app.now() - message.deadline_at, app.seconds()
    return late < PACED_LONGEST and (
        app.pacing.keeps_taking(endpoint.id, now, _STILL_TAKING)
        or app.pacing.holds(endpoint.id, now, asked_before=now - late.total_seconds())
    )
