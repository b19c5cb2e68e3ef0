"""Wire formats: how an event becomes a body. To add one, write a module with `body` and name it here."""

from collections.abc import Callable

from shared.delivery.formats import point, spscan
from shared.model import Event

Format = Callable[[Event], tuple[str, bytes]]
"""From an event to (content type, body)."""

FORMATS: dict[str, Format] = {"point": point.body, "spscan": spscan.body}
