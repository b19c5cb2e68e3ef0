"""An event as a person reads it: a title, what it is about, and its facts as labels and values.

Everything comes from the catalogue's titles, fields and units, and from the names of the members that a publisher
chose; no type has a text of its own. Values are the publisher's, and so may be anybody's: each format escapes them.
"""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.formats.shortening import MARK, one_line, readable, shorten
from shared.model import Event
from shared.model.catalogue import CATALOGUE, CUSTOM_PREFIX

MOST_FACTS = 50
LONGEST_LABEL = 80
LONGEST_VALUE = 1000

_SUBJECTS = ("name", "title", "subject", "resourcePath", "siteUrl", "url", "endpointId")
"""Members that say what an event is about, the most telling first."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LINK = re.compile(r"https://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_ACRONYMS = {"id": "ID", "url": "URL", "ip": "IP", "upn": "UPN"}
_MOST_DIGITS = 30
_SIZES = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class _Digits(str):
    """A number as it was written."""


class Fact(NamedTuple):
    """A label of one line and at most LONGEST_LABEL characters, a value of at most LONGEST_VALUE; neither is empty."""

    label: str
    value: str


@dataclass(frozen=True)
class Summary:
    title: str
    """The event type's title."""
    subject: str | None
    """The workspace, resource or site; one line."""
    facts: tuple[Fact, ...]
    """What the event says, in its publisher's order."""
    about: tuple[Fact, ...]
    """Severity, tenant, time, type and key."""

    @property
    def headline(self) -> str:
        """Title and subject in one line."""
        return f"{self.title}: {self.subject}" if self.subject else self.title


def summarise(event: Event, most_facts: int = MOST_FACTS) -> Summary:
    content = json.loads(event.content, parse_int=_Digits, parse_float=_Digits)
    facts = list(islice(_facts(event.type, content), most_facts + 1))
    if len(facts) > most_facts:
        facts[most_facts:] = [left_out(event)]
    about = {
        "Severity": event.severity.capitalize(),
        "Tenant": tenant_of(event),
        "Time": time_text(event.time_stamp),
        "Event type": one_line(event.type),
        "Event key": event.key,
    }
    return Summary(
        title=title_of(event.type),
        subject=subject(content),
        facts=tuple(facts),
        about=tuple(Fact(label, shorten(value, LONGEST_VALUE)) for label, value in about.items() if value),
    )


def left_out(event: Event) -> Fact:
    """The mark of facts that found no room."""
    return Fact(MARK, f"There is more in this event: GET /v1.0/events/{event.key}")


def subject(content: dict[str, Any]) -> str | None:
    """What an event is about, in one line of at most LONGEST_VALUE characters."""
    texts = (one_line(content[name]) for name in _SUBJECTS if isinstance(content.get(name), str))
    return next((shorten(text, LONGEST_VALUE) for text in texts if text), None)


def text_in(content: dict[str, Any], name: str) -> str:
    """A member in one line; empty where it is no text."""
    value = content.get(name)
    return one_line(value) if isinstance(value, str) else ""


def tenant_of(event: Event) -> str:
    """The tenant's name, or its id, in one line; empty where the event names none."""
    return one_line(event.tenant.display_name or event.tenant.id) if event.tenant else ""


def event_time(time_stamp: str) -> datetime:
    """The time of an event; without a zone it is UTC."""
    at = datetime.fromisoformat(time_stamp)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def time_text(time_stamp: str) -> str:
    """`2026-11-22 10:00:00 UTC`."""
    try:
        at = event_time(time_stamp).astimezone(UTC)
    except OverflowError:  # in the first or the last hours that Python knows
        return time_stamp
    return f"{at.isoformat(' ', 'seconds').removesuffix('+00:00')} UTC"


def is_link(value: str) -> bool:
    """Whether a value as a whole is an https URL that shows where it leads: a user name could look like a host."""
    if not _LINK.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in parts.netloc


def size_text(count: int) -> str:
    """A number of bytes: `23.5 TiB`."""
    if count < 1024:
        return f"{count} bytes"
    power = next((power for power in range(1, len(_SIZES)) if count < 1024 ** (power + 1)), len(_SIZES))
    return f"{_ratio(count, 1024**power)} {_SIZES[power - 1]}"


def _ratio(count: int, of: int) -> str:
    """To one decimal, in whole numbers: contents may hold some that no float can."""
    whole, tenth = divmod((20 * count + of) // (2 * of), 10)
    return f"{whole}.{tenth}" if tenth else str(whole)


def title_of(name: str) -> str:
    """The title of an event type, in one line; of a type of one's own, what its name says."""
    if name in CATALOGUE:
        return CATALOGUE[name].title
    words = [one_line(part) for part in name.removeprefix(CUSTOM_PREFIX).split(".")]
    return ": ".join(_label(word) for word in words if word) or "Event"


def _facts(name: str, content: dict[str, Any]) -> Iterator[Fact]:
    units = _units(name)
    quota = _whole(content.get("quota"))
    for member, value in content.items():
        unit, count = units.get(member), _whole(value)
        if unit == "bytes" and count is not None:
            share = f" ({_ratio(100 * count, quota)} % of the quota)" if member == "currentUsage" and quota else ""
            yield Fact(_label(member.removesuffix("Bytes")), size_text(count) + share)
        elif unit == "percent" and isinstance(value, _Digits):
            yield Fact(_label(member), shorten(f"{value} %", LONGEST_VALUE))
        else:
            yield from _flattened(_label(member), value)


def _whole(value: Any) -> int | None:
    """What the catalogue takes as a whole number: 5.0 is one, too."""
    if not isinstance(value, _Digits):
        return None
    if value.isdecimal():
        return int(value)
    number = Decimal(value)
    return int(number) if number.adjusted() <= _MOST_DIGITS and number >= 0 and number == int(number) else None


def _flattened(label: str, value: Any) -> Iterator[Fact]:
    """A value as one fact, or what is in it as several; nothing for what is empty."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flattened(f"{label} › {_label(name)}", inner)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for number, inner in enumerate(value, start=1):
            yield from _flattened(f"{label} {number}", inner)
    else:
        text = ", ".join(filter(None, map(_text, value))) if isinstance(value, list) else _text(value)
        if text:
            yield Fact(shorten(label, LONGEST_LABEL), shorten(text, LONGEST_VALUE))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return readable(value) if isinstance(value, str) else ("yes" if value else "no")


def _label(name: str) -> str:
    """`siteUrl` as `Site URL`; a name that is none of a programmer's stays as it is."""
    if not _NAME.fullmatch(name):
        return shorten(one_line(name), LONGEST_LABEL) or MARK
    words = [word if word.isupper() and len(word) > 1 else word.lower() for word in _WORD.findall(name)]
    text = " ".join(_ACRONYMS.get(word, word) for word in words)
    return shorten(text[:1].upper() + text[1:], LONGEST_LABEL)


@functools.cache
def _units(name: str) -> dict[str, str]:
    """The catalogue's fields that are measured: `bytes` or `percent`."""
    if name not in CATALOGUE:
        return {}
    described = {
        field.alias or member: (field.description or "").partition(" ")[0]
        for member, field in CATALOGUE[name].content.model_fields.items()
    }
    return {member: unit for member, unit in described.items() if unit in ("bytes", "percent")}
