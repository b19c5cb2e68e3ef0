"""A ticket in ConnectWise PSA: `POST …/v4_6_release/apis/3.0/service/tickets`.

From documentation only: it was never run against a ConnectWise server.
"""

from typing import Annotated, Any

from pydantic import Field

from shared.formats.shortening import dumped, short_key
from shared.formats.summary import summarise
from shared.formats.tickets import Fields, Number, Text, description, headline
from shared.model import Event, Model, Severity

LONGEST_SUMMARY = 100
LONGEST_DESCRIPTION = 8000
LONGEST_REFERENCE = 100

LEVELS: dict[Severity, str] = {"critical": "High", "high": "High", "medium": "Medium", "low": "Low"}
"""ConnectWise's own severity and impact, which know three levels."""

Reference = Annotated[Number | Text, Field(description="A number is an id, a text a name")]


class Settings(Model):
    company: Annotated[Number | Text, Field(description="A number is an id, a text the company's identifier")]
    board: Reference | None = None
    status: Reference | None = None
    type: Reference | None = None
    source: Reference | None = None
    priorities: dict[Severity, Reference] = Field(
        default={}, description="By severity; one that is not named gets the board's standard priority"
    )
    fields: Fields = Field(default_factory=dict)


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    summary = summarise(event)
    level = LEVELS[event.severity]
    chosen = {
        "board": settings.board,
        "status": settings.status,
        "type": settings.type,
        "source": settings.source,
        "priority": settings.priorities.get(event.severity),
    }
    ticket: dict[str, Any] = {
        "summary": headline(summary, LONGEST_SUMMARY),
        "company": _reference(settings.company, "identifier"),
        **{member: _reference(value, "name") for member, value in chosen.items() if value is not None},
        "severity": level,
        "impact": level,
        "initialDescription": description(summary, LONGEST_DESCRIPTION),
        "externalXRef": short_key(event.key, LONGEST_REFERENCE),
        **settings.fields,
    }
    return "application/json", dumped(ticket).encode()


def _reference(value: int | str, text_is: str) -> dict[str, int | str]:
    return {"id": value} if isinstance(value, int) else {text_is: value}
