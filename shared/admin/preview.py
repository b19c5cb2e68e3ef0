"""What a receiver would be sent, or was sent: an event in a wire format, with the headers of an attempt."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.app import App
from shared.formats import FORMATS, Body
from shared.formats.rendering import render, render_once, secrets_in, settings_problems, settings_text, without
from shared.model import Delivery, DeliveryId, Endpoint, Event
from shared.model.auth import merge_patch
from shared.model.delivery import Unsendable
from shared.outbound.session import OWN_HEADERS

_NOT_KEPT = "…"


@dataclass(frozen=True)
class Unavailable:
    """Why it cannot be shown, and what to do."""

    reason: str


@dataclass(frozen=True)
class Sent:
    """A request as its receiver got it. Signatures, the values of `auth` and secrets among the settings are not told:
    `…` says that they were there. `changed_at`: the endpoint has changed since the first attempt, so the body may be
    another."""

    url: str
    headers: Mapping[str, str]
    content_type: str
    body: bytes
    has_settings: bool
    changed_at: datetime | None


def body_of(format_name: str, settings: Mapping[str, Any], of: Endpoint | None, event: Event) -> Body | list[str]:
    """Content type and body of an event; else what is wrong with the settings, each a clause. `of` is an endpoint whose
    stored settings these are a merge patch of (RFC 7396). Raises Unsendable."""
    stored = json.loads(of.settings.get(format_name, "{}")) if of else {}
    wanted = merge_patch(stored, dict(settings))
    problems = settings_problems(format_name, wanted, (event.type,))
    if problems:
        return problems
    return render_once(format_name, settings_text(wanted), event)


def request_sent(app: App, delivery_id: DeliveryId, delivery: Delivery) -> Sent | Unavailable:
    """The request of a delivery: the stored event in the format that was fixed when it was published, with the
    endpoint's settings as they are now."""
    row = app.events.get(delivery.event_accepted_ms, delivery_id.event)
    if row is None or row.erased or delivery.erased:
        return Unavailable("Its event was erased, or is past retention: there is nothing to show")
    endpoint = app.endpoints.read(delivery_id.endpoint)
    if endpoint is None:
        return Unavailable("Its endpoint is not registered any more, and its settings went with it")
    try:
        made = render(endpoint, delivery.format, row.event)
        content_type, body = without(made, secrets_in(endpoint, delivery.format))
    except Unsendable as reason:
        return Unavailable(f"It cannot be made: {reason}")
    first_at = delivery.attempts[0].started_at if delivery.attempts else None
    return Sent(
        url=endpoint.url,
        headers=_headers(endpoint, delivery, content_type),
        content_type=content_type,
        body=body,
        has_settings=FORMATS[delivery.format].settings is not None,
        changed_at=endpoint.updated_at if first_at and endpoint.updated_at > first_at else None,
    )


def _headers(endpoint: Endpoint, delivery: Delivery, content_type: str) -> dict[str, str]:
    at = delivery.attempts[-1].started_at if delivery.attempts else None
    headers = {
        "Content-Type": content_type,
        "User-Agent": OWN_HEADERS["User-Agent"],
        "webhook-id": delivery.key,
        "webhook-signature": f"v1,{_NOT_KEPT}",
        "traceparent": f"{delivery.traceparent[:36]}{_NOT_KEPT}",
    }
    if FORMATS[delivery.format].point_signature:
        headers |= {"Signature": _NOT_KEPT, "Algorithm": "HMACSHA256"}
    if at is not None:
        headers["webhook-timestamp"] = str(int(at.timestamp()))
    if endpoint.auth is not None:
        headers |= dict.fromkeys(endpoint.auth.headers, _NOT_KEPT)
        if endpoint.auth.type in ("basic", "entra"):
            headers["Authorization"] = _NOT_KEPT
    return headers
