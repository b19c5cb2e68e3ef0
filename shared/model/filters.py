"""Which endpoints an event goes to. Pure."""

import functools
import json
import re
from collections.abc import Iterable
from fnmatch import translate

from shared.model.catalogue import OPERATIONAL_PREFIX
from shared.model.endpoint import Endpoint
from shared.model.event import SEVERITIES, Event


def matching(endpoints: Iterable[Endpoint], event: Event) -> list[Endpoint]:
    """Those whose type list and filters match; whether they are enabled is not asked here."""
    candidates = [
        endpoint
        for endpoint in endpoints
        if any(type_matches(pattern, event.type) for pattern in endpoint.types)
        and _severe_enough(endpoint, event)
        and _of_a_tenant(endpoint, event)
    ]
    site = _site(event) if any(endpoint.sites for endpoint in candidates) else None
    return [endpoint for endpoint in candidates if not endpoint.sites or _at_a_site(endpoint, site)]


def type_matches(pattern: str, name: str) -> bool:
    """`*` is every type but `webhook.*`, which must be named: nobody is told of failures unasked."""
    if pattern == "*":
        return not name.startswith(OPERATIONAL_PREFIX)
    return name.startswith(pattern[:-1]) if pattern.endswith(".*") else name == pattern


def _severe_enough(endpoint: Endpoint, event: Event) -> bool:
    least = endpoint.min_severity
    return least is None or SEVERITIES.index(event.severity) >= SEVERITIES.index(least)


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


def _at_a_site(endpoint: Endpoint, site: str | None) -> bool:
    """An event that names no site passes no site filter."""
    return site is not None and any(site_pattern(pattern).match(site) for pattern in endpoint.sites)


@functools.lru_cache(maxsize=4096)
def site_pattern(pattern: str) -> re.Pattern[str]:
    """SharePoint URLs ignore case, and one trailing slash more or less is the same site."""
    return re.compile(translate(pattern.rstrip("/")).removesuffix(r"\Z").removesuffix(r"\z") + r"/?\Z", re.IGNORECASE)
