"""Operational events: the app's own `webhook.*`, published like any other.

None is ever about a delivery of another: an endpoint that wants them and is broken would make one out of each.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from shared import logs
from shared.app import App
from shared.delivery.publisher import own_event, publish_own
from shared.model import Delivery, Endpoint, Event, to_ms
from shared.model.catalogue import OPERATIONAL_PREFIX
from shared.storage.clients import Written
from shared.storage.messages import Message
from shared.storage.notices import Failure, Told
from shared.storage.rows import Versioned, write

TOLD_EVERY = timedelta(minutes=5)
"""`webhook.delivery_failed` is told of an endpoint no more often."""


def note_failure(app: App, message: Message, delivery: Delivery) -> None:
    """Has a failed delivery told of, once for each of its schedules."""
    if delivery.type.startswith(OPERATIONAL_PREFIX):
        return
    failure = Failure(
        delivery_id=message.delivery,
        endpoint_id=message.delivery_id.endpoint,
        event_type=delivery.type,
        idempotency_key=delivery.key,
        attempts=len(delivery.attempts),
        reason=delivery.reason or "",
        at_ms=to_ms(app.now()),
    )
    app.notices.note(failure, message.schedule)


def tell_waiting(app: App) -> None:
    """Tells of all failures whose endpoint was not told of lately. Raises StorageUnavailable."""
    for endpoint_id in app.notices.waiting():
        tell_failures(app, endpoint_id)


def tell_failures(app: App, endpoint_id: str) -> None:
    """Publishes `webhook.delivery_failed` of an endpoint's failures that nobody was told of, unless it was published
    less than TOLD_EVERY ago: then they wait for `tell_waiting`.

    What is told is written first, and then published and dropped: whoever finds it half done does the rest, so that no
    failure is left out and none is told twice. Raises StorageUnavailable.
    """
    stored = app.notices.get(endpoint_id)
    if stored is not None and stored.value.event is not None:
        stored = _finish(app, endpoint_id, stored, stored.value.event)
    told, now_ms = None if stored is None else stored.value, to_ms(app.now())
    if told is not None and abs(now_ms - told.at_ms) < TOLD_EVERY.total_seconds() * 1000:
        return
    untold = app.notices.untold(endpoint_id)
    if told is not None and (left := untold.keys() & set(told.failures)):
        app.notices.forget(endpoint_id, left)
        untold = {row: failure for row, failure in untold.items() if row not in left}
    if untold:
        event = _of_failures(app, untold.values(), f"{endpoint_id}:{now_ms}")
        wanted = Told(at_ms=now_ms, failures=tuple(untold), event=event)
        if write(app.notices, endpoint_id, wanted, stored) is Written.DONE:
            tell_failures(app, endpoint_id)


def _finish(app: App, endpoint_id: str, stored: Versioned[Told], event: Event) -> Versioned[Told] | None:
    """Publishes what was fixed, and drops the failures in it; returns the endpoint's row as it is then."""
    publish_own(app, event)
    done = stored.value.model_copy(update={"event": None})
    if app.notices.replace(endpoint_id, done, stored.etag) is Written.DONE:
        app.notices.forget(endpoint_id, done.failures)
    return app.notices.get(endpoint_id)


def _of_failures(app: App, failures: Collection[Failure], key: str) -> Event:
    newest = max(failures, key=lambda failure: failure.at_ms)
    content = {
        "deliveryId": newest.delivery_id,
        "endpointId": newest.endpoint_id,
        "eventType": newest.event_type,
        "idempotencyKey": newest.idempotency_key,
        "attempts": newest.attempts,
        "reason": newest.reason,
        "count": len(failures),
    }
    return _event(app, "webhook.delivery_failed", content, key)


def publish_endpoint_failing(app: App, endpoint: Endpoint, reason: str, about: str) -> None:
    """`webhook.endpoint_failing`, once for each failing time."""
    first = endpoint.health.first_failure_at
    key = f"{endpoint.id}:{to_ms(first) if first else 0}"
    _announce(app, "webhook.endpoint_failing", {"endpointId": endpoint.id, "reason": reason}, key, about)


def publish_endpoint_disabled(app: App, endpoint: Endpoint, about: str, *, news: bool = True) -> None:
    """`webhook.endpoint_disabled`, once each time that an endpoint is disabled; a log line only where it is `news`."""
    health = endpoint.health
    if health.disabled_reason is None or health.disabled_at is None:
        return
    if news:
        logs.warning("endpoint.disabled", endpointId=endpoint.id, host=endpoint.host, reason=health.disabled_reason)
    content = {"endpointId": endpoint.id, "reason": health.disabled_reason}
    key = f"{endpoint.id}:{to_ms(health.disabled_at)}"
    _announce(app, "webhook.endpoint_disabled", content, key, about)


def _announce(app: App, name: str, content: dict[str, Any], key: str, about: str) -> None:
    """`about` is the type of the delivery that this tells of. A repeated call is a duplicate to publishing."""
    if not about.startswith(OPERATIONAL_PREFIX):
        publish_own(app, _event(app, name, content, key))


def _event(app: App, name: str, content: dict[str, Any], key: str) -> Event:
    return own_event(app, name, content, f"webhook:{name.removeprefix(OPERATIONAL_PREFIX)}:{key}")
