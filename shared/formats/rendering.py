"""An event in an endpoint's wire format, with the endpoint's settings of that format."""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import SecretStr, ValidationError

from shared.formats import FORMATS, Body
from shared.formats.shortening import MARK, dumped
from shared.model import Endpoint, Event, Model
from shared.model.delivery import Unsendable
from shared.model.validation import clauses

MOST_SETTINGS_BYTES = 32 * 1024
MOST_CLAUSES = 20


def render(endpoint: Endpoint, name: str, event: Event) -> Body:
    """Content type and body. Raises Unsendable."""
    known = FORMATS.get(name)
    if known is None:
        raise Unsendable(f"the wire format {name!r} is not known to this version")
    if known.settings is None:
        return known.body(event)
    return known.body(event, settings_of(endpoint, name))


def render_together(endpoint: Endpoint, name: str, events: Sequence[Event]) -> Body:
    """Content type and body of several events. Only where they go together. Raises Unsendable."""
    join = FORMATS[name].join
    assert join is not None  # noqa: S101 (asked before)
    return join(events, settings_of(endpoint, name))


def goes_together(endpoint: Endpoint, name: str) -> bool:
    """Whether events in this wire format may go to the endpoint together, in one body."""
    known = FORMATS[name]
    return known.join is not None and (known.digest_every is None or digest_period(endpoint, name) is not None)


def digest_period(endpoint: Endpoint, name: str) -> timedelta | None:
    """How often the endpoint wants what has come since, where it does not want each event at once."""
    every = FORMATS[name].digest_every
    try:
        return None if every is None else every(settings_of(endpoint, name))
    except Unsendable:
        return None  # the attempt says it


def render_once(name: str, text: str, event: Event) -> Body:
    """As `render`, for people to look at: with settings that fit and that perhaps no endpoint has, as text, of which
    nothing is kept, and with `…` in place of the secrets among them. Raises Unsendable."""
    known = FORMATS[name]
    if known.settings is None:
        return known.body(event)
    settings, secrets = _read(known.settings, text)
    return without(known.body(event, settings), secrets)


def settings_of(endpoint: Endpoint, name: str) -> Any:
    """An endpoint's settings of a wire format; None where the format has none. Raises Unsendable where they do not
    fit: an endpoint may have been moved to another format, or the app to another version."""
    parsed = _parsed_of(endpoint, name)
    return None if parsed is None else parsed.settings


def secrets_in(endpoint: Endpoint, name: str) -> tuple[str, ...]:
    """The secrets among an endpoint's settings of a wire format, which no receiver's answer may show. Raises Unsendable
    as `settings_of`."""
    parsed = _parsed_of(endpoint, name)
    return () if parsed is None else parsed.secrets


def _parsed_of(endpoint: Endpoint, name: str) -> "_Settings | None":
    kind = FORMATS[name].settings
    if kind is None:
        return None
    text = endpoint.settings.get(name, "{}")
    try:
        return _parsed(kind, text)
    except ValidationError as error:
        wrong = "; ".join(clauses(error, kind, text, "settings")[:MOST_CLAUSES])
        raise Unsendable(f"the endpoint's settings do not fit the wire format {name!r}: {wrong}") from None


def settings_problems(name: str, given: Mapping[str, Any], types: Sequence[str]) -> list[str]:
    """What is wrong with settings for a wire format, each a clause that names the field; nothing where they can be
    stored."""
    known = FORMATS.get(name)
    if known is None:
        return [f"format: {name!r} is not known to this version: choose another one"]
    if known.settings is None:
        return [f"settings: the wire format {name!r} has none"] if given else []
    text = settings_text(given)
    if len(text.encode()) > MOST_SETTINGS_BYTES:
        return [f"settings: at most {MOST_SETTINGS_BYTES} bytes are taken"]
    try:
        settings = _read(known.settings, text).settings
    except ValidationError as error:
        return clauses(error, known.settings, given, "settings")[:MOST_CLAUSES]
    if known.problems is None:
        return []
    return [f"settings.{problem}" for problem in known.problems(settings, types)]


def settings_text(given: Mapping[str, Any]) -> str:
    """As storage keeps them."""
    return json.dumps(given, ensure_ascii=False, separators=(",", ":"))


def shown_settings(endpoint: Endpoint) -> dict[str, Any] | None:
    """What an answer may show of the settings of the endpoint's format: what was given, secrets apart."""
    try:
        settings = settings_of(endpoint, endpoint.format) if endpoint.format in FORMATS else None
    except Unsendable:
        return None
    if settings is None:
        return None
    shown: dict[str, Any] = _without_secrets(settings.model_dump(by_alias=True, exclude_unset=True))
    return shown or None


def without(body: Body, secrets: Iterable[str]) -> Body:
    """A body with `…` in place of secrets, as JSON writes them."""
    content_type, shown = body
    for secret in secrets:
        shown = shown.replace(dumped(secret)[1:-1].encode(), MARK.encode())
    return content_type, shown


class _Settings(NamedTuple):
    """Settings of a wire format, and the secrets among them."""

    settings: Any
    secrets: tuple[str, ...]


@functools.lru_cache(256)
def _parsed(kind: type[Model], text: str) -> _Settings:
    """Once for what many deliveries need: checking takes longer than making a body. Few are kept, since a template of
    nothing but brackets takes twenty times the memory of its text, and of endpoints alone: what callers try would take
    their place."""
    return _read(kind, text)


def _read(kind: type[Model], text: str) -> _Settings:
    settings = kind.model_validate_json(text, strict=True)
    return _Settings(settings, tuple(_secrets(settings.model_dump())))


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _secrets(part)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_secrets(part) for name, part in value.items() if not isinstance(part, SecretStr)}
    if isinstance(value, list | tuple):
        return [_without_secrets(part) for part in value if not isinstance(part, SecretStr)]
    return value
