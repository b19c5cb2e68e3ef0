"""Erasing one event before its retention ends: what was accepted stays known, what it said does not."""

from functools import partial

from shared.app import App
from shared.delivery.transitions import erased
from shared.model import DeliveryId
from shared.storage.events import EventRow
from shared.storage.rows import change


def erase(app: App, row: EventRow) -> None:
    """Removes content from the event's row and the receivers' answers from its deliveries, replays too; those still on
    their way end `cancelled`. A first attempt cannot be called back while it is made, nor when its message carries the
    event and is taken within a minute of being due: such a message reads nothing before the POST."""
    app.events.erase(row)
    for recipient in row.recipients:
        first = DeliveryId(row.accepted_ms, row.id, recipient.id)
        logged = app.deliveries.of_event(recipient.id, row.event.key, row.id, row.accepted_ms, app.now())
        for delivery_id in dict.fromkeys((first, *logged)):
            transition = partial(erased, row=row, recipient=recipient)
            delivery = change(app.deliveries, delivery_id, transition, app.deliveries.get(delivery_id))
            if delivery is not None:
                app.alerts.renew(delivery_id, delivery)
