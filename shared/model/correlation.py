"""Which events are about one matter, and what each of them does to it. Pure.

A matter begins and ends: a site is above a threshold until it has recovered, a share is there until it is taken back, a
workspace is asked for until it is made. Receivers keep something open for it, an incident or an alert; by the
correlation key the event that ends the matter finds what an earlier one has opened.

The key is a digest, which every receiver's field takes and which means nothing in any query language. An event of which
it cannot be said for certain what it is about is a matter of its own, under its own key, and ends none: to close
nothing is better than to close what somebody else's event has opened. For the same reason the matters of the app's own
events are not those of events that callers publish, though they say the same: whoever may publish closes no alert of
the app.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from shared.model.base import digest
from shared.model.event import OWN_KEYS, Event
from shared.model.site_patterns import comparable

Step = Literal["opens", "updates", "resolves"]
"""What an event does to its matter. One that `updates` it may be the first that a receiver hears of it."""

_STEPS: dict[str, Step] = {
    "ProvisioningFailed": "updates",
    "ProvisioningCompleted": "resolves",
    "permission.revoked": "resolves",
    "storage.threshold_recovered": "resolves",
    "webhook.endpoint_failing": "updates",
    "webhook.endpoint_disabled": "updates",
}
"""By type; all others open one."""

RESOLVING = frozenset(name for name, step in _STEPS.items() if step == "resolves")
"""The types that end a matter."""

_OWN_CROSSINGS = "storage:"
"""How the keys of the app's own crossings begin; no caller's does (model/event.py)."""
_UNKNOWN = "unknown"
"""What a record of the audit log that leaves something out is told with, in lower case."""
_TO_A_SITE = frozenset({"direct", "sharepointgroup"})
"""One action is told as one or the other of these (sharing/mapping.py, twins), and so is its end."""


class Correlation(NamedTuple):
    """The key of a matter, of at most 128 characters of `IDEMPOTENCY_KEY`, and what the event does to it."""

    key: str
    step: Step

    @property
    def is_resolved(self) -> bool:
        return self.step == "resolves"


class _Number(str):
    """A number as it was written: contents may hold some that no float can."""


def correlation_of(event: Event) -> Correlation:
    """What the event is about. Two events are about one matter where the tenant, too, is the same."""
    step = _STEPS.get(event.type, "opens")
    family = "provisioning" if event.type.startswith("Provisioning") else event.type.partition(".")[0]
    read = _FACTS.get(family)
    facts = read(json.loads(event.content, parse_int=_Number, parse_float=_Number), event.key) if read else None
    if facts is None:
        if step == "resolves" or _A_MATTER.fullmatch(event.key):
            return Correlation(f"event-{digest(json.dumps([step, event.key]))}", step)
        return Correlation(event.key, step)
    tenant = event.tenant
    whose = (tenant.microsoft_tenant_id or tenant.id).lower() if tenant else ""
    own = ("app",) if event.key.startswith(OWN_KEYS) else ()
    return Correlation(f"{family}-{digest(json.dumps([*own, whose, *facts]))}", step)


Facts = tuple[str, ...] | None
"""What a matter is known by beside its tenant; None where the event does not say enough."""


def _crossing(content: dict[str, Any], key: str) -> Facts:
    """The site and the threshold: of the app's own events by their key (usage/crossings.py), whatever becomes of the
    site's URL; of others by the URL, as SharePoint compares it, and the number."""
    if key.startswith(_OWN_CROSSINGS):
        return (key.rpartition(":")[0],)  # without the counter of the crossing
    site = comparable(_text(content, "siteUrl"))
    given = [name for name in ("threshold", "thresholdBytes") if isinstance(content.get(name), _Number)]
    if not site or len(given) != 1:
        return None
    number = float(content[given[0]])
    return (site, given[0], repr(number)) if math.isfinite(number) else None


def _sharing(content: dict[str, Any], key: str) -> Facts:
    """A link by its id, whatever becomes of the file's name; anything else by the object, and by who has access.

    Access to a site, given to a person or to a group that the person is in, is one matter: SharePoint's records tell
    the one action now as this, now as that."""
    kind, principal = _text(content, "permissionType"), _text(content, "principal")
    link, path = _text(content, "linkId"), _text(content, "resourcePath")
    site = comparable(_text(content, "siteUrl"))
    if _UNKNOWN in (kind, principal) or not (kind and principal):
        return None
    if link:
        return kind, principal, link
    if _UNKNOWN in (site, path) or not (site and path):
        return None
    return "direct" if kind in _TO_A_SITE else kind, principal, site, path


def _request(content: dict[str, Any], key: str) -> Facts:
    request_id = _text(content, "requestId")
    return (request_id,) if request_id else None


def _endpoint(content: dict[str, Any], key: str) -> Facts:
    endpoint_id = _text(content, "endpointId")
    return (endpoint_id,) if endpoint_id else None


_FACTS: dict[str, Callable[[dict[str, Any], str], Facts]] = {
    "storage": _crossing,
    "permission": _sharing,
    "provisioning": _request,
    "webhook": _endpoint,
}
"""By the family of types."""

_A_MATTER = re.compile(rf"({'|'.join(_FACTS)}|event)-[A-Z2-7]{{26}}")
"""What the key of a matter looks like; a caller may name an event so, too."""


def _text(content: dict[str, Any], name: str) -> str:
    """A text in lower case: neither SharePoint nor Microsoft Entra tells names apart by their case."""
    value = content.get(name)
    return value.strip().lower() if isinstance(value, str) and not isinstance(value, _Number) else ""
