"""An alert in PagerDuty: `POST https://events.pagerduty.com/v2/enqueue`, or `events.eu.pagerduty.com` (developer.
pagerduty.com, "Events API v2 Overview" and "Send an Alert Event").

Every event of a matter has its correlation key as `dedup_key`: the first one opens an alert, others are added to it,
and what ends the matter resolves it.
"""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr

from shared.formats.cloudevents import rfc3339
from shared.formats.shortening import dumped, one_line, shorten
from shared.formats.summary import Fact, Summary, is_link, summarise, tenant_of, text_in
from shared.formats.tickets import Text, headline
from shared.model import Auth, Event, Model, Severity
from shared.model.correlation import correlation_of

URLS = ("https://events.pagerduty.com/v2/enqueue", "https://events.eu.pagerduty.com/v2/enqueue")
LONGEST_SUMMARY = 1024
LONGEST_FIELD = 255
"""Of source, component, group and class, for which no limit is told; it is that of `dedup_key`."""
MOST_LINKS = 10

Level = Literal["critical", "error", "warning", "info"]
LEVELS: dict[Severity, Level] = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}


def _is_a_key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not (len(text) == 32 and text.isascii() and text.isalnum()):
        raise ValueError("must be the integration key of 32 letters and digits, from an integration Events API V2")
    return key


class Settings(Model):
    routing_key: Annotated[
        SecretStr, AfterValidator(_is_a_key), Field(description="The integration key of a service or orchestration")
    ]
    source: Text | None = Field(default=None, description="Absent: the site, or the tenant's name")
    severities: dict[Severity, Level] = Field(
        default={}, description="By severity; those that are not named keep the standard ones"
    )


def mistakes(url: str, auth: Auth | None) -> list[str]:
    return [] if url in URLS else [f"endpoint: PagerDuty takes events at {' or '.join(URLS)}"]


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    summary, matter = summarise(event), correlation_of(event)
    content, tenant = json.loads(event.content), tenant_of(event)
    payload = {
        "summary": headline(summary, LONGEST_SUMMARY),
        "source": _field(settings.source or text_in(content, "siteUrl") or tenant or "Tenant Hooks"),
        "severity": settings.severities.get(event.severity, LEVELS[event.severity]),
        "timestamp": rfc3339(event.time_stamp),
        "component": _field(text_in(content, "resourcePath") or text_in(content, "name")),
        "group": _field(tenant),
        "class": _field(one_line(event.type)),
        "custom_details": _details([*summary.about, *summary.facts]),
    }
    alert: dict[str, Any] = {
        "routing_key": settings.routing_key.get_secret_value(),
        "event_action": "resolve" if matter.is_resolved else "trigger",
        "dedup_key": matter.key,
        "payload": {name: value for name, value in payload.items() if value},
        "client": "Tenant Hooks",
    }
    links = _links(summary)
    return "application/json", dumped(alert | ({"links": links} if links else {})).encode()


def _details(facts: Iterable[Fact]) -> dict[str, str]:
    """By label; of labels that are there already the later ones are numbered: no publisher takes one of ours."""
    found: dict[str, str] = {}
    for fact in facts:
        label, number = fact.label, 2
        while label in found:
            label, number = f"{fact.label} ({number})", number + 1
        found[label] = fact.value
    return found


def _links(summary: Summary) -> list[dict[str, str]]:
    links = [{"href": fact.value, "text": fact.label} for fact in summary.facts if is_link(fact.value)]
    return links[:MOST_LINKS]


def _field(text: str) -> str:
    return shorten(text, LONGEST_FIELD)
