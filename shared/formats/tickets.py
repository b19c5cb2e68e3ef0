"""What the formats of service desks share: the ticket's texts, and settings that all of them take."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from shared.formats.shortening import dumped, in_utf16, indented, shorten
from shared.formats.summary import Fact, Summary
from shared.model.base import Whole

LARGEST_FIELDS_CHARACTERS = 16_384


def _small(fields: dict[str, Any]) -> dict[str, Any]:
    if len(dumped(fields)) > LARGEST_FIELDS_CHARACTERS:
        raise ValueError(f"has more than {LARGEST_FIELDS_CHARACTERS} characters as JSON")
    return fields


Text = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[int, Field(ge=0, lt=2**63), Whole]
FieldName = Annotated[str, Field(min_length=1, max_length=100)]
Fields = Annotated[
    dict[FieldName, Any],
    Field(max_length=50, description="More members of the ticket; they win over those made here"),
    AfterValidator(_small),
]


def headline(summary: Summary, limit: int) -> str:
    """The title of a ticket, in one line."""
    return shorten(summary.headline, limit)


def description(summary: Summary, limit: int) -> str:
    """Facts, then severity, tenant, time, type and key, a line each; where the limit is near, facts are cut."""
    end = "\n".join(map(_line, summary.about))
    facts = "\n".join(map(_line, summary.facts))
    if not facts:
        return shorten(end, limit)
    return f"{shorten(facts, limit - in_utf16(end) - 2)}\n\n{end}"


def _line(fact: Fact) -> str:
    return f"{fact.label}: {indented(fact.value)}"
