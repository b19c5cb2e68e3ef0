"""Replay: sending what an endpoint's log holds again, as new deliveries of the same idempotency keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.app import App
from shared.delivery.deadlines import REPEAT_DELAY, longest_delivery
from shared.model import Delivery, DeliveryId, Endpoint, Status, from_ms, to_ms
from shared.storage.messages import again
from shared.storage.pages import Filters

MOST_REPLAYED = 1000
"""The most deliveries that one call sends again."""


@dataclass(frozen=True)
class Replayed:
    """How many deliveries are on their way again, and where the next call goes on."""

    count: int
    continuation: str | None


def replay(
    app: App,
    endpoint: Endpoint,
    since: datetime,
    status: Status | None = None,
    continuation: str | None = None,
    call_key: str | None = None,
    *,
    dry_run: bool = False,
) -> Replayed:
    """Replays the deliveries of up to MOST_REPLAYED events accepted since a time, newest first. An event that was
    replayed before is as its newest replay is; those pending are skipped.

    `call_key` makes a repeated call harmless: it finds the time of the first one, hence the same new delivery ids, and
    puts only what has no row yet. With `dry_run` nothing is put and no call remembered: it only counts. Raises
    ValueError on a continuation that is not ours.
    """
    now = app.now()
    at_ms, repeated = to_ms(now), False
    if call_key is not None and not dry_run:
        first_ms = app.events.first_call_at(f"{call_key}/{endpoint.id}/{continuation}", at_ms)
        at_ms, repeated = first_ms, first_ms != at_ms
    if not dry_run:
        app.events.create_week_tables(at_ms)
    filters = Filters(since=since, until=from_ms(at_ms))
    page = app.deliveries.log(endpoint.id, filters, now, MOST_REPLAYED, continuation)
    replays = app.deliveries.replays(endpoint.id, since, now)
    wanted = [each for each in page.items if _is_wanted(*each, replays, status)]
    if dry_run:
        return Replayed(len(wanted), page.continuation)
    due_at = now + (REPEAT_DELAY if repeated else timedelta())
    longest = longest_delivery(app, endpoint)
    put = []
    for old_id, delivery in wanted:
        new_id = DeliveryId(at_ms, old_id.event, endpoint.id)
        if not repeated or app.deliveries.get(new_id) is None:
            put.append(again(new_id, delivery, endpoint.generation, due_at, longest, possible_duplicate=repeated))
    app.queue.put_many(put, due_at - now)
    return Replayed(len(wanted), page.continuation)


def _is_wanted(old_id: DeliveryId, delivery: Delivery, replays: Mapping[str, Status], status: Status | None) -> bool:
    """Whether a line of the log is sent again: an original that has come to an end, as its newest replay stands."""
    newest = replays.get(old_id.event, delivery.status)
    original = delivery.event_accepted_ms == old_id.accepted_ms
    return original and not delivery.erased and newest != "pending" and status in (None, newest)
