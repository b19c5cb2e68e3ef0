"""Operational events: the app's own `webhook.*`, published like any other.

None is ever about a delivery of another: an endpoint that wants them and is broken would make one out of each.
"""

from typing import Any

from shared import logs
from shared.app import App
from shared.delivery.publisher import own_event, publish_own
from shared.model import Delivery, Endpoint, to_ms
from shared.model.catalogue import OPERATIONAL_PREFIX
from shared.storage.messages import Message


def publish_delivery_failed(app: App, message: Message, delivery: Delivery) -> None:
    """`webhook.delivery_failed`, once for each round of a delivery's schedule: a round has one deadline."""
    content = {
        "deliveryId": message.delivery,
        "endpointId": message.delivery_id.endpoint,
        "eventType": delivery.type,
        "idempotencyKey": delivery.key,
        "attempts": len(delivery.attempts),
        "reason": delivery.reason or "",
    }
    _announce(
        app, "webhook.delivery_failed", content, f"{message.delivery}:{to_ms(message.deadline_at)}", delivery.type
    )


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
    if about.startswith(OPERATIONAL_PREFIX):
        return
    publish_own(app, own_event(app, name, content, f"webhook:{name.removeprefix(OPERATIONAL_PREFIX)}:{key}"))
