"""Who comes next to an ordered endpoint. Of the deliveries of one subject only the first has a message on the queue;
whoever ends it takes it out of their sequence, and calls the next.

Every step can be repeated. What a crash leaves undone is done by the same message when it comes back, and where there
is none by the timer `measure`. But for `pass_on`, all of this blocks: it runs in threads.
"""

from datetime import datetime, timedelta

from shared import logs
from shared.app import App
from shared.delivery.deadlines import REPEAT_DELAY, longest_delivery
from shared.delivery.transitions import unattempted
from shared.model import Delivery, DeliveryId, from_ms
from shared.storage.events import EventRow, Recipient
from shared.storage.messages import Message, abandoned, encode, first
from shared.storage.sequences import MOST_IN_ONE, Held, Place, Sequence

LONGEST_WAIT = timedelta(hours=24)
"""A delivery that is called later than that after its acceptance is given up."""

OVERDUE = timedelta(minutes=15)
"""A head of which nothing is recorded for so long is called again; one that is to be attempted again, and is not for so
long after its time was over, holds nobody any more."""

WAITS = "waits for its turn among the deliveries of its subject"
_TOO_LATE = f"it waited {LONGEST_WAIT.total_seconds() / 3600:g} hours for earlier deliveries of its subject"
_TOO_MANY = f"{MOST_IN_ONE} deliveries of its subject wait already"


def join(app: App, message: Message, row: EventRow, recipient: Recipient, *, repeated: bool) -> bool:
    """Puts a delivery at the end of its sequence; returns whether its message is to be put now. With `repeated` it may
    have been there before."""
    place = app.sequences.join(message.delivery_id, recipient.sequence, app.now())
    if repeated and _has_ended(app, message.delivery_id):  # and left, before it joined again
        go_on(app, message.delivery_id, recipient.sequence)
        return False
    if place is Place.NONE:
        app.poison.put(encode(abandoned(message, _TOO_MANY)))
    elif place is Place.BEHIND:
        waits = unattempted(row, recipient).model_copy(update={"reason": WAITS})
        app.deliveries.insert(message.delivery_id, waits)  # or it was called meanwhile: then there is a row
    return place is Place.HEAD


async def pass_on(app: App, message: Message, delivery: Delivery | None) -> None:
    """After a message was handled: where its delivery has ended, the next of its sequence is called."""
    if message.sequence and delivery is not None and delivery.status != "pending":
        await app.in_thread(go_on, app, message.delivery_id, message.sequence, message.redelivered)


def go_on(app: App, delivery_id: DeliveryId, sequence: str, repeated: bool = False) -> None:
    """Takes a delivery that has ended out of its sequence, and puts the message of the next one. With `repeated` that
    may have been done up to any step."""
    while True:
        left = app.sequences.leave(delivery_id, sequence, app.now())
        if left.sequence is None or not (left.by_this_call or repeated):
            return
        if call(app, delivery_id.endpoint, sequence, left.sequence, repeated=not left.by_this_call):
            return
        delivery_id = left.sequence.head(delivery_id.endpoint)  # nothing is left of it that could be sent


def call(app: App, endpoint_id: str, name: str, sequence: Sequence, *, repeated: bool = False) -> bool:
    """Puts the message of a sequence's head, whose time counts from when it was called; False where its event was
    erased or is past retention."""
    head, now = sequence.head(endpoint_id), app.now()
    row = app.events.get(head.accepted_ms, head.event)
    recipient = None if row is None or row.erased else _recipient(row, endpoint_id, name)
    if row is None or recipient is None:
        return False
    delay = REPEAT_DELAY if repeated else timedelta()
    longest = longest_delivery(app, app.endpoints.get(endpoint_id))
    message = first(row, head, recipient, now + delay, longest, possible_duplicate=True, called_at=sequence.called_at)
    if now - from_ms(head.accepted_ms) > LONGEST_WAIT:
        app.poison.put(encode(abandoned(message, _TOO_LATE)), delay)
    else:
        app.queue.put_many([message], delay)
    return True


def tend(app: App) -> None:
    """Looks at the sequences that have not moved for long: the publisher of their head, or whoever ended the delivery
    before it, may have died at the wrong moment. Raises StorageUnavailable."""
    now = app.now()
    for held in app.sequences.held_since(now - OVERDUE):
        head = held.stored.value.head(held.endpoint)
        stored = app.deliveries.get(head)
        _tend(app, held, head, None if stored is None else stored.value, now)


def _tend(app: App, held: Held, head: DeliveryId, delivery: Delivery | None, now: datetime) -> None:
    event = "sequence.resumed"
    if delivery is None or (delivery.status == "pending" and not delivery.attempts):
        again = app.sequences.call_again(held, now)
        if again is not None and not call(app, held.endpoint, held.name, again):
            go_on(app, head, held.name)
    elif _holds(app, head, delivery, now):
        event = "sequence.held"
        app.sequences.note_seen(held, now)
    else:
        go_on(app, head, held.name)
    logs.warning(
        event,
        endpointId=held.endpoint,
        deliveryId=str(head),
        waiting=len(held.stored.value.members) - 1,
        seconds=round((now - held.stored.value.called_at).total_seconds()),
    )


def _holds(app: App, head: DeliveryId, delivery: Delivery, now: datetime) -> bool:
    """Whether a delivery is to be attempted again, and there is still hope that it will be."""
    due_at = delivery.next_attempt_at
    if delivery.status != "pending" or due_at is None:
        return False
    return now - due_at < longest_delivery(app, app.endpoints.get(head.endpoint)) + OVERDUE


def _has_ended(app: App, delivery_id: DeliveryId) -> bool:
    stored = app.deliveries.get(delivery_id)
    return stored is not None and stored.value.status != "pending"


def _recipient(row: EventRow, endpoint_id: str, name: str) -> Recipient | None:
    return next((each for each in row.recipients if (each.id, each.sequence) == (endpoint_id, name)), None)
