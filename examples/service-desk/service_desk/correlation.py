"""The correlation id: the ticket's name in every event about it, given with the request and sent back with them."""

import re
from typing import Any, NamedTuple

_WRITTEN = re.compile(r"([a-z]+):([A-Za-z][A-Za-z0-9_]*-?[0-9]+):([1-9][0-9]{0,2})")


class Correlation(NamedTuple):
    """One request of one ticket: `servicenow:INC0010001:1`. `round` counts the times that the ticket was approved."""

    desk: str
    ticket: str
    round: int

    def __str__(self) -> str:
        return f"{self.desk}:{self.ticket}:{self.round}"

    @classmethod
    def parse(cls, text: object) -> "Correlation | None":
        """None where it is not of this shape: then another system made it. Nothing else goes into a query."""
        found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
        return cls(found[1], found[2], int(found[3])) if found else None

    @property
    def idempotency_key(self) -> str:
        """Of the request that the approval makes: approving twice asks once."""
        return str(self)


def correlation_of(event: dict[str, Any]) -> Correlation | None:
    """Of an event in the wire format `point`: the request's `metadata` comes back in its content."""
    content = event.get("content")
    metadata = content.get("metadata") if isinstance(content, dict) else None
    return Correlation.parse(metadata.get("correlationId")) if isinstance(metadata, dict) else None
