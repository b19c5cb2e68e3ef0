"""Which endpoints an event goes to. Pure."""

import functools
import json
import re
from fnmatch import translate

from shared.catalogue import OPERATIONAL_PREFIX
from shared.model import SEVERITIES, Endpoint, Event


def wants(endpoint: Endpoint, event: Event) -> bool:
    """Whether an endpoint's type list and filters match; whether it is enabled is not asked here."""
    return (
        any(type_matches(pattern, event.type) for pattern in endpoint.types)
        and _severe_enough(endpoint, event)
        and _of_a_tenant(endpoint, event)
        and _at_a_site(endpoint, event)
    )


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


def _at_a_site(endpoint: Endpoint, event: Event) -> bool:
    """An event that names no site (`siteUrl`, or a provisioned workspace's `url`) passes no site filter."""
    if not endpoint.sites:
        return True
    content = json.loads(event.content)
    site = content.get("siteUrl") or content.get("url")
    return isinstance(site, str) and any(_site_pattern(pattern).match(site) for pattern in endpoint.sites)


@functools.lru_cache(maxsize=4096)
def _site_pattern(pattern: str) -> re.Pattern[str]:
    """SharePoint URLs ignore case, and one trailing slash more or less is the same site."""
    return re.compile(translate(pattern.rstrip("/")).removesuffix(r"\Z").removesuffix(r"\z") + r"/?\Z", re.IGNORECASE)
