"""Where a message comes from: the event that was accepted, and whether it was for this endpoint."""

from dataclasses import dataclass

from shared.app import App
from shared.delivery.messages import Message
from shared.model import Event, digest


@dataclass(frozen=True)
class Unknown:
    """The message is about nothing that was accepted here: publishing did not put it on the queue."""

    reason: str


def stored_event(app: App, message: Message) -> Event | Unknown | None:
    """The event of a message, from its table; None where it was erased."""
    row = app.events.get(message.event_ms, digest(message.key))
    if row is None:
        return Unknown(f"no event with the key {message.key} is stored for its week: never accepted, or past retention")
    if all(addressee.id != message.delivery_id.endpoint for addressee in row.addressees):
        return Unknown(f"the event with the key {message.key} was not for this endpoint")
    return None if row.erased else row.event
