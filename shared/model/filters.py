"""Which endpoints an event goes to. Pure."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from shared.model.catalogue import OPERATIONAL_PREFIX
from shared.model.correlation import RESOLVING
from shared.model.endpoint import Endpoint, hears_of
from shared.model.event import SEVERITIES, Event
from shared.model.site_patterns import Site

MOST_LISTENERS = 5
"""Endpoints of one owner that operational events go to, where the owner is no admin."""


class Matcher:
    """Which of some endpoints events go to: those whose type list and filters match; whether they are enabled is not
    asked here. One for a call that publishes: what is the same for many events, type and site, is compared once.
    `subjects` are the endpoints that operational events can be about."""

    def __init__(self, endpoints: Iterable[Endpoint], subjects: Iterable[Endpoint] = ()) -> None:
        self._endpoints = tuple(endpoints)
        self._subjects = subjects
        self._of_type: dict[str, list[Endpoint]] = {}
        self._sites: dict[str, Site] = {}
        self._is_at: dict[tuple[str, tuple[str, ...]], bool] = {}

    def matching(self, event: Event) -> list[Endpoint]:
        """In the order in which the endpoints were given."""
        candidates = [
            endpoint
            for endpoint in self._wanting(event.type)
            if _severe_enough(endpoint, event) and _of_a_tenant(endpoint, event)
        ]
        if event.type.startswith(OPERATIONAL_PREFIX):
            candidates = self._listeners(candidates, json.loads(event.content).get("endpointId"))
        site = _site(event) if any(endpoint.sites for endpoint in candidates) else None
        return [endpoint for endpoint in candidates if self._is_of(endpoint, site)]

    def _listeners(self, candidates: Iterable[Endpoint], subject_id: str) -> list[Endpoint]:
        """Those that may hear of an endpoint, of each owner no more than may be."""
        subject = next((endpoint for endpoint in self._subjects if endpoint.id == subject_id), None)
        heard: Counter[str] = Counter()
        found = []
        for endpoint in candidates:
            if endpoint.by_admin:
                found.append(endpoint)
            elif hears_of(endpoint, subject) and heard[endpoint.owner] < MOST_LISTENERS:
                heard[endpoint.owner] += 1
                found.append(endpoint)
        return found

    def _wanting(self, name: str) -> list[Endpoint]:
        if name not in self._of_type:
            self._of_type[name] = [
                endpoint
                for endpoint in self._endpoints
                if any(type_matches(pattern, name) for pattern in endpoint.types)
            ]
        return self._of_type[name]

    def _is_of(self, endpoint: Endpoint, url: str | None) -> bool:
        """An event that names no site passes no site filter."""
        if url is None or not endpoint.sites:
            return not endpoint.sites
        compared = (url, endpoint.sites)
        if compared not in self._is_at:
            if url not in self._sites:
                self._sites[url] = Site(url)
            self._is_at[compared] = self._sites[url].matches(endpoint.sites)
        return self._is_at[compared]


Objection = Literal["types", "minSeverity", "tenants", "sites", "disabled"]


def objections(endpoint: Endpoint, event: Event) -> list[Objection]:
    """Why an event does not go to an endpoint, by the fields that stand against it; nothing where it does."""
    found: list[Objection] = []
    if not any(type_matches(pattern, event.type) for pattern in endpoint.types):
        found.append("types")
    if not _severe_enough(endpoint, event):
        found.append("minSeverity")
    if not _of_a_tenant(endpoint, event):
        found.append("tenants")
    site = _site(event) if endpoint.sites else None
    if endpoint.sites and (site is None or not Site(site).matches(endpoint.sites)):
        found.append("sites")
    if not endpoint.receives:
        found.append("disabled")
    return found


def is_listener(endpoint: Endpoint) -> bool:
    """Whether it asks for operational events."""
    return any(name.startswith(OPERATIONAL_PREFIX) for name in endpoint.types)


def type_matches(pattern: str, name: str) -> bool:
    """`*` is every type but `webhook.*`, which must be named: nobody is told of failures unasked."""
    if pattern == "*":
        return not name.startswith(OPERATIONAL_PREFIX)
    return name.startswith(pattern[:-1]) if pattern.endswith(".*") else name == pattern


def _severe_enough(endpoint: Endpoint, event: Event) -> bool:
    """The end of a matter is seldom as severe as its beginning: where an endpoint names its type, it gets both."""
    least = endpoint.min_severity
    if least is None or SEVERITIES.index(event.severity) >= SEVERITIES.index(least):
        return True
    return event.type in RESOLVING and event.type in endpoint.types


def _of_a_tenant(endpoint: Endpoint, event: Event) -> bool:
    if not endpoint.tenants:
        return True
    names = {event.tenant.id, event.tenant.microsoft_tenant_id} if event.tenant else set()
    return any(tenant in names for tenant in endpoint.tenants)


def _site(event: Event) -> str | None:
    """The site that an event is about: its `siteUrl`, or a provisioned workspace's `url`."""
    content = json.loads(event.content)
    site = content.get("siteUrl") or content.get("url")
    return site if isinstance(site, str) else None
