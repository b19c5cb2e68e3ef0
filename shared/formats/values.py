"""What an event says, by path: `("content", "site", "url")`, `("meta", "timeStamp")`, `("title",)`."""

import functools
import json

from shared.formats.shortening import dumped, without_unseen
from shared.formats.summary import summarise
from shared.formats.tickets import description
from shared.model import Event
from shared.model.correlation import correlation_of
from shared.model.json_text import elements, joined, members, quoted

LONGEST_TEXT = 30_000
"""How much is shown of the value `text`; all others are whole."""

Path = tuple[str, ...]


class Values:
    """Those of one event. Every object and array is cut up once, and every text is read once, however often they are
    asked for."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._cut: dict[Path, dict[str, str]] = {}
        self._read: dict[Path, str] = {}

    def at(self, path: Path) -> str | None:
        """A value as JSON text, cut out as it was received; None where there is none, or null."""
        value = self._root.get(path[0])
        for length in range(1, len(path)):
            if value is None:
                return None
            value = self._inner(path[:length], value).get(path[length])
        return None if value == "null" else value

    def text(self, path: Path) -> str:
        """A value as people read it: of a text its characters, without those that nobody sees, of everything else the
        JSON text; empty where there is no such value."""
        if path not in self._read:
            value = self.at(path) or ""
            self._read[path] = without_unseen(str(json.loads(value))) if value.startswith('"') else value
        return self._read[path]

    def _inner(self, path: Path, value: str) -> dict[str, str]:
        if path not in self._cut:
            if value.startswith("{"):
                self._cut[path] = members(value)
            elif value.startswith("["):
                self._cut[path] = {str(index): element for index, element in enumerate(elements(value))}
            else:
                self._cut[path] = {}
        return self._cut[path]

    @functools.cached_property
    def _root(self) -> dict[str, str]:
        event = self._event
        summary, matter = summarise(event), correlation_of(event)
        correlation = {"key": quoted(matter.key), "step": quoted(matter.step), "resolved": dumped(matter.is_resolved)}
        root = {
            "type": quoted(event.type),
            "severity": quoted(event.severity),
            "content": event.content,
            "meta": joined({"timeStamp": quoted(event.time_stamp), "idempotencyKey": quoted(event.key)}),
            "correlation": joined(correlation),
            "title": quoted(summary.title),
            "text": quoted(description(summary, LONGEST_TEXT)),
        }
        if summary.subject:
            root["subject"] = quoted(summary.subject)
        if event.tenant is not None:
            root["tenant"] = dumped(event.tenant.model_dump(by_alias=True, exclude_none=True))
        return root
