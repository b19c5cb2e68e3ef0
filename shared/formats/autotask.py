"""A ticket in Datto Autotask PSA: `POST {zone}/atservicesrest/v1.0/Tickets`.

From documentation only: it was never run against an Autotask server.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from shared.formats.shortening import dumped, short_key
from shared.formats.summary import event_time, summarise
from shared.formats.tickets import Fields, Number, description, headline
from shared.model import Event, Model, Severity
from shared.model.base import Whole

LONGEST_TITLE = 255
LONGEST_DESCRIPTION = 8000
LONGEST_EXTERNAL_ID = 50

PRIORITIES: dict[Severity, int] = {"critical": 4, "high": 1, "medium": 2, "low": 3}
"""The numbers of Autotask's own pick list: Critical, High, Medium, Low."""


class Settings(Model):
    company_id: Number
    queue_id: Number
    status: Number = Field(default=1, description="1 is New")
    priorities: dict[Severity, Number] = Field(
        default={}, description="By severity; those that are not named keep the standard ones"
    )
    due_in_hours: Annotated[int, Field(ge=1, le=8760), Whole] | None = Field(
        default=None, description="Where the ticket's category demands a due date: hours after the event's time"
    )
    fields: Fields = Field(default_factory=dict)


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    summary = summarise(event)
    ticket: dict[str, Any] = {
        "companyID": settings.company_id,
        "queueID": settings.queue_id,
        "status": settings.status,
        "priority": settings.priorities.get(event.severity, PRIORITIES[event.severity]),
        "title": headline(summary, LONGEST_TITLE),
        "description": description(summary, LONGEST_DESCRIPTION),
        "externalID": short_key(event.key, LONGEST_EXTERNAL_ID),
    }
    if settings.due_in_hours is not None:
        ticket["dueDateTime"] = _due(event.time_stamp, settings.due_in_hours)
    return "application/json", dumped(ticket | settings.fields).encode()


def _due(time_stamp: str, hours: int) -> str:
    """From the event's time, not from now: every attempt has the same body. Beyond the years that Python knows it is
    their last second, or their first."""
    at = event_time(time_stamp)
    try:
        due = at.replace(tzinfo=None) + (timedelta(hours=hours) - (at.utcoffset() or timedelta()))
    except OverflowError:
        due = datetime.max if at.year > 1 else datetime.min
    return f"{due.isoformat(timespec='seconds')}Z"
