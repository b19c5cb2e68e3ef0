"""Another try for a delivery that has come to an end, when an admin asks for it."""

from dataclasses import dataclass
from datetime import timedelta

from shared.app import App
from shared.delivery.deadlines import longest_delivery
from shared.model import Delivery, DeliveryId, utc_text
from shared.storage.messages import Message, retried

LOST_AFTER = timedelta(minutes=15)
"""A pending delivery is overdue while the breaker holds it; when it is so for longer than that and a lease together,
it has lost its message."""


@dataclass(frozen=True)
class Refusal:
    """Why there is nothing to try again, and what to do instead. `kind` says it of many deliveries alike."""

    reason: str
    of_many: str = ""

    @property
    def kind(self) -> str:
        return self.of_many or self.reason


def retry(app: App, delivery_id: DeliveryId, delivery: Delivery, *, dry_run: bool = False) -> Refusal | None:
    """Puts the next attempt on the queue, from which the schedule starts anew; with `dry_run` only says whether that
    could be done. Asked twice, it is one chain all the same: copies of a message find each other out at the delivery's
    row."""
    now = app.now()
    if delivery.erased:
        return Refusal("Its event was erased")
    if delivery.status == "delivered":
        return Refusal("It was delivered already")
    if delivery.status == "pending":
        due_at = delivery.next_attempt_at
        longest = longest_delivery(app, app.endpoints.get(delivery_id.endpoint)) + LOST_AFTER
        if due_at is None or now - due_at < longest:
            of_many = "It is still on its way"
            if delivery.sequence and not delivery.attempts:
                return Refusal(f"{of_many}: it waits for its turn, after earlier deliveries of its subject", of_many)
            when = f" at {utc_text(due_at)}" if due_at else ""
            return Refusal(f"{of_many}: its next attempt is due{when or ' soon'}", of_many)
    endpoint = app.endpoints.get(delivery_id.endpoint) if dry_run else app.endpoints.read(delivery_id.endpoint)
    if endpoint is None:
        return Refusal("Its endpoint is not registered any more: register it again first")
    if not endpoint.receives:
        return Refusal('Its endpoint is disabled: enable it first (PATCH {"enabled": true})')
    if dry_run:
        return None
    message = retried(delivery_id, delivery, endpoint.generation, now, longest_delivery(app, endpoint))
    app.queue.put_many([message])
    _show_pending(app, delivery_id, delivery, message)
    return None


def _show_pending(app: App, delivery_id: DeliveryId, delivery: Delivery, message: Message) -> None:
    """The message is on the queue, so the row may say so; the dispatcher may have been faster, and then is right."""
    stored = app.deliveries.get(delivery_id)
    if stored is not None and stored.value == delivery:
        waiting: dict[str, object] = {"status": "pending", "reason": None, "gone": False}
        waiting |= {"next_attempt_at": message.due_at, "generation": message.generation}
        app.deliveries.replace(delivery_id, delivery.model_copy(update=waiting), stored.etag)
