"""An incident in ServiceNow: `POST /api/now/table/incident` (Table API)."""

from typing import Annotated, Any

from pydantic import Field

from shared.formats.shortening import dumped, short_key
from shared.formats.summary import summarise
from shared.formats.tickets import Fields, Text, description, headline
from shared.model import Event, Model, Severity
from shared.model.base import Whole

LONGEST_SHORT_DESCRIPTION = 160
LONGEST_DESCRIPTION = 4000
LONGEST_CORRELATION_ID = 100

Level = Annotated[int, Whole, Field(ge=1, le=3, description="1 high, 2 medium, 3 low")]


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


class Settings(Model):
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
    summary = summarise(event)
    weight = settings.severities.get(event.severity, WEIGHTS[event.severity])
    chosen = {
        "assignment_group": settings.assignment_group,
        "category": settings.category,
        "subcategory": settings.subcategory,
        "caller_id": settings.caller_id,
        "company": settings.company,
        "contact_type": settings.contact_type,
    }
    incident: dict[str, Any] = {
        "short_description": headline(summary, LONGEST_SHORT_DESCRIPTION),
        "description": description(summary, LONGEST_DESCRIPTION),
        "urgency": str(weight.urgency),
        "impact": str(weight.impact),
        "correlation_id": short_key(event.key, LONGEST_CORRELATION_ID),
        "correlation_display": settings.correlation_display,
        **{name: value for name, value in chosen.items() if value is not None},
        **settings.fields,
    }
    return "application/json", dumped(incident).encode()
