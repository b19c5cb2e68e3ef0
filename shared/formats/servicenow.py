"""An incident in ServiceNow: `POST /api/now/table/incident` (Table API), which makes one for each event.

Two ways more lead to incidents that are resolved when the matter ends: a row of a staging table, `POST /api/now/import/
{table}` (Import Set API), whose transform map finds the incident by its correlation id; and an event of Event
Management, `POST /api/now/table/em_event`, which opens and closes alerts by their message key (servicenow.com, "Event
field format for event collection").
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.formats.shortening import dumped, one_line, short_key, shorten
from shared.formats.summary import Summary, summarise, tenant_of, text_in, time_text
from shared.formats.tickets import Fields, Text, description, headline
from shared.model import Event, Model, Severity
from shared.model.base import Whole
from shared.model.correlation import Correlation, correlation_of

LONGEST_SHORT_DESCRIPTION = 160
LONGEST_DESCRIPTION = 4000
LONGEST_CORRELATION_ID = 100
LONGEST_EVENT_FIELD = 100
"""Of an event's source, node, type and resource."""

Level = Annotated[int, Field(ge=1, le=3, description="1 high, 2 medium, 3 low"), Whole]


class Weight(Model):
    """ServiceNow makes an incident's priority of these two."""

    urgency: Level
    impact: Level


WEIGHTS: dict[Severity, Weight] = {
    "critical": Weight(urgency=1, impact=1),
    "high": Weight(urgency=1, impact=2),
    "medium": Weight(urgency=2, impact=2),
    "low": Weight(urgency=3, impact=3),
}
"""Priorities 1, 2, 3 and 5 of a new instance."""


CLEAR = 0
LEVELS: dict[Severity, int] = {"critical": 1, "high": 2, "medium": 3, "low": 4}
"""Event Management's own: Critical, Major, Minor, Warning."""


class Settings(Model):
    via: Literal["table", "import", "event"] = "table"
    assignment_group: Text | None = None
    category: Text | None = None
    subcategory: Text | None = None
    caller_id: Text | None = None
    company: Text | None = None
    contact_type: Text | None = None
    correlation_display: Annotated[str, Field(min_length=1, max_length=100)] = "Tenant Hooks"
    severities: dict[Severity, Weight] = Field(
        default={}, description="Urgency and impact of a severity; those that are not named keep the standard ones"
    )
    fields: Fields = Field(default_factory=dict)


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    """Numbers are texts, as the Table API answers them."""
    summary, matter = summarise(event), correlation_of(event)
    if settings.via == "event":
        made = _event(event, summary, matter, settings)
    else:
        made = _incident(event, summary, matter, settings)
        if settings.via == "import":
            made = _row(event, matter, made)
    return "application/json", dumped(made).encode()


def _incident(event: Event, summary: Summary, matter: Correlation, settings: Settings) -> dict[str, Any]:
    weight = settings.severities.get(event.severity, WEIGHTS[event.severity])
    chosen = {
        "assignment_group": settings.assignment_group,
        "category": settings.category,
        "subcategory": settings.subcategory,
        "caller_id": settings.caller_id,
        "company": settings.company,
        "contact_type": settings.contact_type,
    }
    return {
        "short_description": headline(summary, LONGEST_SHORT_DESCRIPTION),
        "description": description(summary, LONGEST_DESCRIPTION),
        "urgency": str(weight.urgency),
        "impact": str(weight.impact),
        "correlation_id": short_key(matter.key, LONGEST_CORRELATION_ID),
        "correlation_display": settings.correlation_display,
        **{name: value for name, value in chosen.items() if value is not None},
        **settings.fields,
    }


def _row(event: Event, matter: Correlation, incident: dict[str, Any]) -> dict[str, Any]:
    """Of a staging table, whose columns ServiceNow names with `u_`; and what its transform map decides by."""
    more = {"step": matter.step, "event_type": event.type, "event_key": event.key}
    return {name if name.startswith("u_") else f"u_{name}": value for name, value in (incident | more).items()}


def _event(event: Event, summary: Summary, matter: Correlation, settings: Settings) -> dict[str, Any]:
    content, tenant = json.loads(event.content), tenant_of(event)
    level = CLEAR if matter.is_resolved else LEVELS[event.severity]
    more = {"severity": event.severity, "event_key": event.key, "title": summary.headline, **settings.fields}
    fields = {
        "source": settings.correlation_display,
        "event_class": _field(tenant),
        "node": _field(text_in(content, "siteUrl") or tenant or settings.correlation_display),
        "type": _field(event.type),
        "resource": _field(text_in(content, "resourcePath") or text_in(content, "name")),
        "message_key": matter.key,
        "severity": str(level),
        "resolution_state": "Closing" if matter.is_resolved else "New",
        "time_of_event": time_text(event.time_stamp).removesuffix(" UTC"),
        "description": description(summary, LONGEST_DESCRIPTION),
        "additional_info": dumped(more),
    }
    return {name: value for name, value in fields.items() if value}


def _field(text: str) -> str:
    return shorten(one_line(text), LONGEST_EVENT_FIELD)
