"""Endpoints registered and changed as `shared.admin.registration` does, without its checks: tests register what it
would refuse."""

from datetime import datetime
from typing import Any

from shared.model import Endpoint, endpoint_id
from shared.model import endpoint as endpoints_of_model
from shared.model.health import disable, note_exhausted, note_success, renew
from shared.outbound.signing import make_secret
from shared.storage.endpoints import Endpoints
from shared.storage.rows import change


def register(
    endpoints: Endpoints, url: str, at: datetime, owner: str = "", secret: str | None = None, **given: Any
) -> Endpoint:
    """Makes or changes a registration."""
    made = endpoints_of_model.register(url, secret or make_secret(), owner, {"types": ("*",)} | given, at)
    registered = change(
        endpoints.rows,
        endpoint_id(url),
        lambda stored: made if stored is None else endpoints_of_model.merge(stored, given, at),
        endpoints.rows.get(endpoint_id(url)),
    )
    assert registered is not None
    return registered


def modify(endpoints: Endpoints, named: str, at: datetime, **given: Any) -> Endpoint | None:
    """Changes a registration; None where there is none. Enabling one that does not receive renews its health."""
    stored = endpoints.rows.get(named)
    changed = change(
        endpoints.rows, named, lambda now: None if now is None else endpoints_of_model.merge(now, given, at), stored
    )
    if changed is not None and given.get("enabled") and stored is not None and not stored.value.receives:
        return endpoints.change_health(changed, renew)
    return changed


def rotate(endpoints: Endpoints, named: str, at: datetime, until: datetime) -> Endpoint | None:
    """Gives an endpoint a new secret."""
    secret, rows = make_secret(), endpoints.rows
    return change(
        rows,
        named,
        lambda stored: None if stored is None else endpoints_of_model.rotate(stored, secret, at, until),
        rows.get(named),
    )


def fail(endpoints: Endpoints, endpoint: Endpoint, delivery: str, at: datetime, error: str = "timed out") -> Endpoint:
    """As after an exhausted delivery."""
    return endpoints.change_health(endpoint, lambda health: note_exhausted(health, delivery, at, error, at))


def succeed(endpoints: Endpoints, endpoint: Endpoint, at: datetime) -> Endpoint:
    """As after a delivery."""
    return endpoints.change_health(endpoint, lambda health: note_success(health, at))


def switch_off(endpoints: Endpoints, endpoint: Endpoint, at: datetime, reason: str = "410 Gone") -> Endpoint:
    """As after a 410."""
    return endpoints.change_health(endpoint, lambda health: disable(health, reason, at))
