"""An endpoint: a registered receiver, and how its registration changes. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from shared.model.base import Stored, digest, to_ms
from shared.model.event import Severity
from shared.model.health import Health

ENDPOINT_ID = re.compile(r"[A-Z2-7]{26}")
MOST_OLD_SECRETS = 4
"""That sign beside the current one."""


class OldSecret(Stored):
    """A secret that was rotated away and still signs, beside the new one, until a time."""

    secret: str
    until: datetime


class Auth(Stored):
    """How deliveries prove themselves to a receiver; what another `type` would need is empty."""

    type: str
    headers: dict[str, str] = Field(default={})
    username: str = ""
    password: str = ""
    audience: str = ""


class Endpoint(Stored):
    """A registered receiver. `generation` tells one registration of a URL from the next after a deletion."""

    id: str
    url: str
    secret: str
    old_secrets: tuple[OldSecret, ...] = ()
    generation: int
    types: tuple[str, ...]
    owner: str = ""
    """The directory object that registered it first."""
    by_admin: bool = False
    """Its owner was an admin when it last registered it: then it hears of everybody's endpoints."""
    key: str | None = None
    """The owner's own name for it, where it subscribed by one."""
    key_revision: int = 0
    """Which subscription by that key this is; the highest one counts."""
    name: str | None = None
    format: str = "point"
    settings: dict[str, str] = Field(default={})
    """By wire format, as compact JSON: deliveries of an earlier format may still be on their way."""
    auth: Auth | None = None
    min_severity: Severity | None = None
    tenants: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    enabled: bool = True
    disabled_by_admin: bool = False
    """Its owner cannot enable it then."""
    retry_delays: tuple[timedelta, ...] | None = None
    """Its own schedule, where it is not the deployment's."""
    max_per_second: float | None = None
    """How many deliveries it is sent in a second at most."""
    ordered: bool = False
    """Events of one subject are sent to it one after the other."""
    created_at: datetime
    updated_at: datetime
    health: Health

    def secrets_at(self, now: datetime) -> list[str]:
        """Those that sign, the current one first."""
        return [self.secret, *(old.secret for old in self.old_secrets if now < old.until)]

    @property
    def host(self) -> str:
        """All of the URL that may be logged: its path and query carry secrets."""
        return urlsplit(self.url).hostname or ""

    @property
    def receives(self) -> bool:
        return self.enabled and self.health.disabled_reason is None

    @property
    def as_sent_to(self) -> tuple[object, ...]:
        """What an attempt goes by: the same as long as nothing of it was changed."""
        rendered, reached = (self.format, self.settings), (self.url, self.auth, self.max_per_second)
        return self.generation, self.receives, *rendered, *reached, self.secret, self.old_secrets


def endpoint_id(url: str) -> str:
    """The identity of an endpoint: of its URL, scheme and host lower-cased, all else byte for byte."""
    scheme, separator, rest = url.partition("://")
    end = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
    return digest(scheme.lower() + separator + rest[:end].lower() + rest[end:])


def register(url: str, secret: str, owner: str, given: Mapping[str, Any], now: datetime) -> Endpoint:
    """A new endpoint. `given` are fields of it, `types` among them."""
    generation = to_ms(now)
    return Endpoint(
        id=endpoint_id(url),
        url=url,
        secret=secret,
        owner=owner,
        generation=generation,
        created_at=now,
        updated_at=now,
        health=Health(generation=generation),
        **given,
    )


def hears_of(listener: Endpoint, subject: Endpoint | None) -> bool:
    """Whether operational events about an endpoint, None where it is deleted, may go to a listener: what is wrong with
    a receiver, and which there are, concerns its owner and admins."""
    return listener.by_admin or (subject is not None and subject.owner == listener.owner)


def merge(endpoint: Endpoint, given: Mapping[str, Any], now: datetime, *, by_admin: bool = False) -> Endpoint:
    """The endpoint with the given fields. What an admin has disabled, its owner does not enable, and the revision of a
    key never falls (see admin/subscriptions.py)."""
    update: dict[str, Any] = {**given, "updated_at": now}
    if "enabled" in given and by_admin:
        update["disabled_by_admin"] = not given["enabled"]
    elif given.get("enabled") and endpoint.disabled_by_admin:
        update["enabled"] = False
    if "key_revision" in given:
        update["key_revision"] = max(given["key_revision"], endpoint.key_revision)
    return endpoint.model_copy(update=update)


def rotate(endpoint: Endpoint, secret: str, now: datetime, until: datetime) -> Endpoint:
    """The endpoint with a new secret; the old ones go on signing until their time, this one's until `until`."""
    old = [kept for kept in endpoint.old_secrets if now < kept.until]
    kept = (OldSecret(secret=endpoint.secret, until=until), *old)[:MOST_OLD_SECRETS]
    return endpoint.model_copy(update={"secret": secret, "old_secrets": kept, "updated_at": now})
