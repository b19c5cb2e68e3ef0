"""A JSON document of the receiver's own, with placeholders for what an event says: `{"text": "{{title}}"}`.

There are values and nothing else: no conditions, no loops. Placeholders stand in strings, never in member names.

- A string that is one placeholder and nothing besides becomes the JSON value: text, number, object, as received.
- In any other string, and with a length (`{{content.error:200}}`), it becomes text, without characters that nobody
  sees; objects and arrays as JSON text. Beside other text, further lines of it are indented.
- What is missing or null is left out: the member, the element, or that part of the text. A placeholder whose value
  is not in every type that the endpoint asks for must say so with a question mark: `{{content.url?}}`.
- `{{{{` stands for two braces that begin no placeholder.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field, field_validator

from shared.formats.shortening import dumped, indented, shorten
from shared.formats.values import Values
from shared.model import Event, Model, Tenant
from shared.model.catalogue import CATALOGUE, EventType
from shared.model.delivery import Unsendable
from shared.model.filters import type_matches
from shared.model.json_text import joined, quoted
from shared.model.validation import Shaped

LARGEST_TEMPLATE_CHARACTERS = 16_384
LARGEST_BODY_BYTES = 1024 * 1024
MOST_PLACEHOLDERS = 100

_TOKEN = re.compile(r"\{\{\{\{|\{\{([^{}]*)\}\}")
_INNER = re.compile(r"([A-Za-z]+(?:\.[^.:?\s]+)*)(\?)?(?::([1-9][0-9]{0,5}))?")


class Placeholder(NamedTuple):
    """`{{content.error?:200}}`: path ('content', 'error'), may be missing, at most 200 characters of text."""

    path: tuple[str, ...]
    optional: bool
    limit: int | None

    def __str__(self) -> str:
        limit = "" if self.limit is None else f":{self.limit}"
        return f"{{{{{'.'.join(self.path)}{'?' if self.optional else ''}{limit}}}}}"


def _sample(known: EventType | None) -> Values:
    """The values of a type's sample, with everything that an event can have besides content."""
    tenant = Tenant(id="contoso", display_name="Contoso", microsoft_tenant_id="235ec2cb-0767-40b3-a1de-4da2c42b19e9")
    return Values(
        Event(
            type=known.name if known else "custom.sample",
            content=dumped(known.sample if known else {"name": "Sample"}),
            time_stamp="2026-11-22T10:00:00Z",
            key="sample",
            severity="low",
            tenant=tenant,
        )
    )


def require_known(template: Any) -> None:
    """Raises ValueError where something in it is no placeholder, or none that any event has."""
    named = list(_placeholders(template))
    if len(named) > MOST_PLACEHOLDERS:
        raise ValueError(f"has more than {MOST_PLACEHOLDERS} placeholders")
    any_event = _sample(None)
    for placeholder in named:
        if placeholder.path[0] != "content" and any_event.at(placeholder.path) is None:
            raise ValueError(
                f"{placeholder} is unknown: take type, severity, title, subject, text, content.…, "
                "meta.timeStamp, meta.idempotencyKey, correlation.key, correlation.step, correlation.resolved, "
                "tenant.id, tenant.displayName or tenant.microsoftTenantId"
            )


class Settings(Model):
    template: Annotated[dict[str, Any] | list[Any] | str, Field(description="A JSON document with placeholders")]
    content_type: Annotated[
        str,
        Shaped(
            r"application/([a-z0-9.+-]{1,80}\+)?json(; ?charset=(utf|UTF)-8)?",
            "must be application/json or application/…+json",
        ),
    ] = "application/json"

    @field_validator("template")
    @classmethod
    def _can_be_read(cls, template: Any) -> Any:
        if len(dumped(template)) > LARGEST_TEMPLATE_CHARACTERS:
            raise ValueError(f"has more than {LARGEST_TEMPLATE_CHARACTERS} characters as JSON")
        require_known(template)
        return template

    @functools.cached_property
    def parts(self) -> Mapping[str, Sequence[str | Placeholder]]:
        """Each string of the template, taken apart once for all bodies, and kept as long as the settings are."""
        return {string: _parts(string) for string in _strings(self.template)}


def problems(settings: Settings, types: Sequence[str]) -> list[str]:
    return unfilled("template", settings.template, types)


def unfilled(member: str, template: Any, types: Sequence[str]) -> list[str]:
    """Placeholders that a subscribed type of the catalogue cannot fill, by the type's sample. What `custom.*` types
    will hold nobody knows here: for them nothing is checked."""
    known = [kind for kind in CATALOGUE.values() if any(type_matches(pattern, kind.name) for pattern in types)]
    samples = {kind.name: _sample(kind) for kind in known}
    found = []
    for placeholder in dict.fromkeys(_placeholders(template)):
        without = [name for name, values in samples.items() if values.at(placeholder.path) is None]
        if without and not placeholder.optional:
            may_be_missing = placeholder._replace(optional=True)
            found.append(
                f"{member}: {placeholder} is not in the sample of {', '.join(without)}: correct it, or write "
                f"{may_be_missing} where it may be missing"
            )
    return found


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    """Raises Unsendable where the body would be larger than LARGEST_BODY_BYTES."""
    text = _Rendering(Values(event), settings.parts).document(settings.template)
    encoded = ("null" if text is None else text).encode()
    if len(encoded) > LARGEST_BODY_BYTES:
        raise _too_large()
    return settings.content_type, encoded


def filled(text: str, event: Event) -> str:
    """A text with its placeholders filled in. Raises Unsendable, as `body`."""
    rendering, parts = _Rendering(Values(event), {}), _parts(text)
    return "".join(part if isinstance(part, str) else rendering.text(part, alone=False) for part in parts)


class _Rendering:
    """One body being made; stops as soon as what it puts in is more than a body may have."""

    def __init__(self, values: Values, parts: Mapping[str, Sequence[str | Placeholder]]) -> None:
        self._values = values
        self._parts = parts
        self._left = LARGEST_BODY_BYTES

    def document(self, node: Any) -> str | None:
        """JSON text; None where it is to be left out."""
        if isinstance(node, str):
            return self._string(node)
        if isinstance(node, dict):
            inner = {name: self.document(value) for name, value in node.items()}
            return joined({name: text for name, text in inner.items() if text is not None})
        if isinstance(node, list):
            return f"[{','.join(text for value in node if (text := self.document(value)) is not None)}]"
        return dumped(node)

    def _string(self, string: str) -> str | None:
        parts = self._parts[string]
        if len(parts) == 1 and isinstance(parts[0], Placeholder):
            value = self._values.at(parts[0].path)
            if value is None or parts[0].limit is None:
                return None if value is None else self._counted(value)
        alone = len(parts) == 1
        return quoted("".join(part if isinstance(part, str) else self.text(part, alone) for part in parts))

    def text(self, placeholder: Placeholder, alone: bool) -> str:
        """What a placeholder puts into a text that people read; beside other text, it begins no line of its own. With a
        length, no more of the value is looked at than can be shown."""
        text, limit = self._values.text(placeholder.path), placeholder.limit
        if limit is not None:
            text = text[: limit + 1]
        if not alone and placeholder.path != ("text",):
            text = indented(text)
        return self._counted(text if limit is None else shorten(text, limit))

    def _counted(self, text: str) -> str:
        self._left -= len(text)
        if self._left < 0:
            raise _too_large()
        return text


def _too_large() -> Unsendable:
    return Unsendable(
        f"the body would have more than {LARGEST_BODY_BYTES // 1024} KiB: name fewer or smaller parts of the content "
        "in the template, or give them a length"
    )


def _parts(string: str) -> tuple[str | Placeholder, ...]:
    """A string of a template as text and placeholders. Raises ValueError."""
    parts: list[str | Placeholder] = []
    at = 0
    for token in _TOKEN.finditer(string):
        parts += [_text_between(string[at : token.start()]), "{{" if token[1] is None else _read(token[1])]
        at = token.end()
    parts.append(_text_between(string[at:]))
    return tuple(part for part in parts if part != "")


def _text_between(text: str) -> str:
    if "{{" in text:
        raise ValueError('"{{" begins no placeholder: end it with "}}", or write "{{{{" for two braces')
    return text


def _read(inner: str) -> Placeholder:
    match = _INNER.fullmatch(inner.strip())
    if match is None:
        raise ValueError(
            f"{{{{{shorten(inner, 80)}}}}} is no placeholder: write {{{{content.name}}}}, with ? where it may be "
            "missing and :200 for text of at most 200 characters"
        )
    return Placeholder(tuple(match[1].split(".")), bool(match[2]), int(match[3]) if match[3] else None)


def _strings(node: Any) -> Iterator[str]:
    """All of a template."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _strings(inner)


def _placeholders(node: Any) -> Iterator[Placeholder]:
    """All of a template, in its order. Raises ValueError."""
    if isinstance(node, str):
        yield from (part for part in _parts(node) if isinstance(part, Placeholder))
    elif isinstance(node, dict):
        for name, value in node.items():
            if "{{" in name:
                raise ValueError(f"{shorten(name, 80)!r}: a member's name takes no placeholder")
            yield from _placeholders(value)
    elif isinstance(node, list):
        for value in node:
            yield from _placeholders(value)
