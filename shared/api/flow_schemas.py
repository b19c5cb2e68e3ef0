"""What flow designers are told of an event: JSON Schemas in their plain words, without references and alternatives."""

import re
from collections.abc import Iterable
from typing import Any

from shared.model.catalogue import CATALOGUE, EventType
from shared.model.filters import type_matches

Json = dict[str, Any]

_KEPT = ("type", "format", "enum", "items", "description")
_WORDS = {"Id": "ID", "Url": "URL", "Ms": "(ms)", "Min": "Minimum"}


def title(name: str) -> str:
    """`siteUrl` as people read it: Site URL."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
    return " ".join(_WORDS.get(word, word) for word in (word[0].upper() + word[1:] for word in words))


def of_notification(types: Iterable[str]) -> Json:
    """The schema of a delivery's body in the wire format `point`, for an endpoint that asks for these types."""
    asked = tuple(types)
    said = _field("eventType", type="string", description="The event's type")
    if len(asked) == 1 and asked[0] in CATALOGUE:
        said["enum"] = [*asked]
    content = _field("content", description="What the event says", **of_content(asked))
    meta = {
        "timeStamp": _field("timeStamp", type="string", description="ISO 8601; without a zone it is UTC"),
        "idempotencyKey": _field(
            "idempotencyKey",
            type="string",
            description="The same each time the same event arrives: compare it to do things once",
        ),
    }
    fields = {"type": said, "content": content, "meta": _field("meta", **_object(meta, [*meta]))}
    return _object(fields, [*fields])


def of_content(types: Iterable[str]) -> Json:
    """The schema of content that may be of any of these types: it has all their fields, and requires those that every
    type requires. Content of a type outside the catalogue may be any object."""
    known = [_known(name) for name in types]
    found = [entry for entries in known for entry in entries]
    if not all(known):
        return {"type": "object"}
    schemas = [entry.schema for entry in found]
    fields: Json = {}
    for schema in schemas:
        for name, field in schema["properties"].items():
            fields.setdefault(name, _field(name, **{key: field[key] for key in _KEPT if key in field}))
    required = [name for name in fields if all(name in schema["required"] for schema in schemas)]
    return _object(fields, required)


def _object(fields: Json, required: list[str]) -> Json:
    """Older JSON Schema knows no empty `required`."""
    return {"type": "object", "properties": fields} | ({"required": required} if required else {})


def _field(name: str, **schema: Any) -> Json:
    """Named for people as both kinds of designer read it."""
    return {**schema, "title": title(name), "x-ms-summary": title(name)}


def _known(pattern: str) -> list[EventType]:
    """The catalogue's types that match; none where types outside it match too."""
    return [] if pattern == "*" else [entry for entry in CATALOGUE.values() if type_matches(pattern, entry.name)]
