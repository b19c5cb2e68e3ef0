"""Who comes next to an ordered endpoint. Of the deliveries of one subject only the first has a message on the queue;
whoever ends it takes it out of their sequence, and calls the next.

Every step can be repeated. What a crash leaves undone is done by the same message when it comes back, and where there
is none by the timer `measure`. What is not a coroutine here blocks: it runs in threads.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from shared import logs
from shared.app import App
from shared.delivery.deadlines import REPEAT_DELAY, longest_delivery
from shared.delivery.queue_metrics import first_due_at
from shared.delivery.transitions import unattempted
from shared.model import Delivery, DeliveryId, from_ms
from shared.storage.clients import Written
from shared.storage.events import EventRow, Recipient
from shared.storage.messages import Message, abandoned, encode, first, redelivered, repeated
from shared.storage.sequences import MOST_IN_ONE, Held, Place, Sequence

LONGEST_WAIT = timedelta(hours=24)
"""A delivery that is called later than that after its acceptance is given up."""

OVERDUE = timedelta(minutes=15)
"""A head of which nothing is recorded for so long has lost its message; one that was attempted, when it is not
attempted again for so long after its time was over; one whose message was put back, so long after it was due again."""

HELD_FOR_LONG = timedelta(minutes=10)
"""A message that is put back until later than so long after storage last told of it is noted in its sequence: there is
time left then to take it from the queue and handle it, before it is OVERDUE."""

BEHIND = timedelta(minutes=3)
"""While the first message in line has been due for longer, the message of any head may be in the line."""

JUST_CALLED = timedelta(seconds=30)
"""Who called a head so lately is alive, or its message is still to come back: after a failure in a minute, as host.json
says, and after a crash when its lease ends."""

LONGEST_RUN_SECONDS = 20.0
"""An invocation begins to handle no other delivery later than that."""

LONGEST_LOOK_SECONDS = 20.0
"""The timer begins to look at no other sequence later than that."""

Handle = Callable[[App, Message, bytes], Awaitable[Delivery | None]]
"""Handles a message; returns its delivery's row where the message has seen to what follows from it."""

WAITS = "waits for its turn among the deliveries of its subject"
_TOO_LATE = f"it waited {LONGEST_WAIT.total_seconds() / 3600:g} hours for earlier deliveries of its subject"
_FAILED = "it has failed already"  # its row says why
_TOO_MANY = f"{MOST_IN_ONE} deliveries of its subject wait already"


def join(app: App, message: Message, row: EventRow, recipient: Recipient, *, repeated: bool) -> bool:
    """Puts a delivery at the end of its sequence; returns whether its message is to be put now. With `repeated` it may
    have been there before."""
    place = app.sequences.join(message.delivery_id, recipient.sequence, app.now())
    known = repeated or place is Place.HEAD_AGAIN
    if place is Place.BEHIND:
        waits = unattempted(row, recipient).model_copy(update={"reason": WAITS})
        known = app.deliveries.insert(message.delivery_id, waits) is Written.CONFLICT  # it was called meanwhile
    if known and _has_ended(app, message.delivery_id):  # and left, before it joined again
        go_on(app, message.delivery_id, recipient.sequence)
        return False
    if place is Place.NONE:
        app.poison.put(encode(abandoned(message, _TOO_MANY)))
    return place in (Place.HEAD, Place.HEAD_AGAIN)


async def handle_in_turn(app: App, message: Message, body: bytes, handle: Handle) -> None:
    """Has a message handled, and then at once those of the deliveries that are called by it: on the queue each would
    wait for all that is there before it. Until the last of them is done, the first one's message is the queue's word
    for all. Raises StorageUnavailable."""
    until = app.seconds() + LONGEST_RUN_SECONDS
    called = await pass_on(app, message, await handle(app, message, body), here=True)
    while called is not None:
        known = await handle(app, called, encode(called).encode())
        called = await pass_on(app, called, known, here=app.seconds() < until)


async def pass_on(app: App, message: Message, delivery: Delivery | None, *, here: bool = False) -> Message | None:
    """After a message was handled: where its delivery has ended, calls the next of its sequence. Returns its message
    where it is to be handled `here`; else it is put."""
    if not message.sequence or delivery is None or delivery.status == "pending":
        return None
    called: Message | None = await app.in_thread(_next, app, message.delivery_id, message.sequence, message.redelivered)
    if called is None or (here and not called.abandoned and not called.redelivered):
        return called
    await app.in_thread(_put, app, called)
    return None


def go_on(app: App, delivery_id: DeliveryId, sequence: str) -> None:
    """Takes a delivery that has ended out of its sequence, and puts the message of the next one."""
    called = _next(app, delivery_id, sequence, repeated=False)
    if called is not None:
        _put(app, called)


def _next(app: App, delivery_id: DeliveryId, sequence: str, repeated: bool) -> Message | None:
    """Takes a delivery out of its sequence, and returns the message of who comes first then. With `repeated` that may
    have been done before, up to any step, and that message been handled, up to any; but a copy of the message that did
    it has nothing to do while others go on, or it would be put again for each of those that come first."""
    while True:
        left = app.sequences.leave(delivery_id, sequence, app.now())
        if left.sequence is None or not (left.by_this_call or repeated):
            return None
        if not left.by_this_call and app.now() - left.sequence.called_at < JUST_CALLED:
            return None
        delay = timedelta() if left.by_this_call else REPEAT_DELAY
        called = _message(app, delivery_id.endpoint, sequence, left.sequence, delay)
        if called is not None:
            return called if left.by_this_call else redelivered(called)
        delivery_id = left.sequence.head(delivery_id.endpoint)  # nothing is left of it that could be sent


def _message(
    app: App, endpoint_id: str, name: str, sequence: Sequence, delay: timedelta = timedelta()
) -> Message | None:
    """The first message of a sequence's head, whose time counts from when it was called; abandoned where it has waited
    for too long. None where its event was erased or is past retention."""
    head, due_at = sequence.head(endpoint_id), app.now() + delay
    row = app.events.get(head.accepted_ms, head.event)
    recipient = None if row is None or row.erased else _recipient(row, endpoint_id, name)
    if row is None or recipient is None:
        return None
    longest = longest_delivery(app, app.endpoints.get(endpoint_id))
    message = first(row, head, recipient, due_at, longest, possible_duplicate=True, called_at=sequence.called_at)
    return abandoned(message, _TOO_LATE) if due_at - from_ms(head.accepted_ms) > LONGEST_WAIT else message


def _put(app: App, called: Message) -> None:
    if called.abandoned:
        app.poison.put(encode(called))
    else:
        app.queue.put_many([called], max(called.due_at - app.now(), timedelta()))


async def note_held(app: App, message: Message, until: datetime) -> bool:
    """Before a message is put back: where that is for so long that its delivery would be taken for lost, has the
    sequence say until when; returns whether it does. Raises StorageUnavailable."""
    seen_at = message.seen_at or from_ms(message.event_accepted_ms)
    if not message.sequence or until - seen_at <= HELD_FOR_LONG:
        return False
    await app.in_thread(app.sequences.note_held, message.delivery_id, message.sequence, until)
    return True


def tend(app: App) -> None:
    """Looks at the sequences that have not moved for long: the publisher of their head, or whoever ended the delivery
    before it, may have died at the wrong moment. What there is no time for is left to the next run, which finds those
    that were looked at no more; a row that cannot be read keeps no other sequence waiting. Raises StorageUnavailable.
    """
    now, ends_at, behind = app.now(), app.seconds() + LONGEST_LOOK_SECONDS, None
    for held in app.sequences.held_since(now - OVERDUE):
        if behind is None:
            behind = _is_behind(app, now)
        try:
            if behind:
                app.sequences.note_seen(held, now)
            else:
                _look_at(app, held, now)
        except ValueError as error:
            logs.error("sequence.unreadable", endpointId=held.endpoint, sequence=held.name, error=str(error)[:300])
        if app.seconds() >= ends_at:
            return


def _is_behind(app: App, now: datetime) -> bool:
    """Whether messages wait for the dispatcher, or deliveries are paused."""
    due_at = first_due_at(app.queue.raw)
    return due_at is not None and now - due_at > BEHIND


def _look_at(app: App, held: Held, now: datetime) -> None:
    """Has a sequence go on where the message of its head is lost."""
    sequence = held.stored.value
    head, waiting = sequence.head(held.endpoint), len(sequence.members) - 1
    seconds = round((now - sequence.called_at).total_seconds())
    is_put_back = now - sequence.held_until < OVERDUE
    stored = None if is_put_back else app.deliveries.get(head)
    delivery = None if stored is None else stored.value
    if delivery is not None and _has_just_ended(delivery, now):
        return
    if is_put_back or (delivery is not None and _is_on_its_way(app, head, delivery, now)):
        app.sequences.note_seen(held, now)
        if waiting:
            logs.warning(
                "sequence.held", endpointId=held.endpoint, deliveryId=str(head), waiting=waiting, seconds=seconds
            )
    else:
        logs.warning(
            "sequence.resumed", endpointId=held.endpoint, deliveryId=str(head), waiting=waiting, seconds=seconds
        )
        _call_again(app, held, head, delivery, now)


def _call_again(app: App, held: Held, head: DeliveryId, delivery: Delivery | None, now: datetime) -> None:
    """Puts a message of the head that finishes whatever was left undone; of one that has failed without an attempt, so
    that it is told of. Who has ended otherwise without one only leaves."""
    again = app.sequences.call_again(held, now)
    if again is None:
        return
    called = _message(app, held.endpoint, held.name, again)
    if called is None:
        go_on(app, head, held.name)
    elif delivery is not None and delivery.attempts:
        _put(app, repeated(called, delivery))
    elif delivery is None or delivery.status == "pending":
        _put(app, called)
    elif delivery.status == "failed":
        _put(app, abandoned(called, _FAILED))
    else:
        go_on(app, head, held.name)


def _has_just_ended(delivery: Delivery, now: datetime) -> bool:
    """Whether whoever recorded the end of a delivery may still be about to call the next."""
    return delivery.status != "pending" and any(now - each.ended_at < OVERDUE for each in delivery.attempts)


def _is_on_its_way(app: App, head: DeliveryId, delivery: Delivery, now: datetime) -> bool:
    """Whether a delivery has been attempted, and the message of its next attempt cannot be lost."""
    due_at = delivery.next_attempt_at
    if delivery.status != "pending" or due_at is None:
        return False
    return now - due_at < longest_delivery(app, app.endpoints.get(head.endpoint)) + OVERDUE


def _has_ended(app: App, delivery_id: DeliveryId) -> bool:
    stored = app.deliveries.get(delivery_id)
    return stored is not None and stored.value.status != "pending"


def _recipient(row: EventRow, endpoint_id: str, name: str) -> Recipient | None:
    return next((each for each in row.recipients if (each.id, each.sequence) == (endpoint_id, name)), None)
