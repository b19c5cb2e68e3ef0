"""A mail through Microsoft Graph: `POST /v1.0/users/{sender}/sendMail` (learn.microsoft.com, "user: sendMail").

Which mailbox sends is in the endpoint's URL, and is the deployment's to allow (shared/model/mailboxes.py). What a mail
says comes from events, so from anybody: it is escaped, links nowhere but where a whole value is an https URL, and loads
nothing.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from shared.formats import template
from shared.formats.shortening import MARK, dumped, one_line, shorten
from shared.formats.summary import Fact, is_link, summarise, title_of
from shared.formats.tickets import description
from shared.model import SEVERITIES, Auth, Event, Model, Severity
from shared.model.base import Whole
from shared.model.correlation import correlation_of
from shared.model.mailboxes import is_for_mail
from shared.model.validation import Shaped

PACE_PER_SECOND = 0.4
"""A mailbox sends thirty messages in a minute; some of them are left to others, and to a second instance of the app."""
MOST_RECIPIENTS = 50
LONGEST_SUBJECT = 255
"""Of a subject in Exchange Online."""
MOST_TOLD = 50
"""Events that a digest tells in full, the newest; others are counted."""
MOST_FACTS_OF_ONE = 10
"""That an event of a digest is told with."""
MOST_BYTES = 3 * 1024 * 1024
"""Of events that go together; Graph takes a request of 4 MB."""
LARGEST_CONTENT_BYTES = 1024 * 1024
"""Of a digest: who reads it has to scroll."""

_MOST_KINDS = 10

_NOT_IN_AN_ADDRESS = r"\s\x00-\x1f\x7f@,;:<>()\[\]\\\"%/?#"
_ADDRESS = Shaped(
    rf"[^{_NOT_IN_AN_ADDRESS}]{{1,64}}@[^{_NOT_IN_AN_ADDRESS}]+\.[^{_NOT_IN_AN_ADDRESS}]+",
    "must be a mail address, such as it@contoso.com",
)
Address = Annotated[str, Field(max_length=254), _ADDRESS]


def _each_once(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if len({address.lower() for address in addresses}) < len(addresses):
        raise ValueError("names an address twice")
    return addresses


def _known(subject: str) -> str:
    template.require_known(subject)
    return subject


class Settings(Model):
    recipients: Annotated[
        tuple[Address, ...], Field(min_length=1, max_length=MOST_RECIPIENTS), AfterValidator(_each_once)
    ]
    subject: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_known)] | None = Field(
        default=None, description="With placeholders of `template`; of mails about one event"
    )
    content_type: Literal["html", "text"] = "html"
    console_url: (
        Annotated[
            str,
            Field(max_length=400),
            Shaped(
                r"https://[A-Za-z0-9.-]+(:\d{1,5})?/[A-Za-z0-9._~/-]*",
                "must be the console's address, such as https://hooks.contoso.com/console/",
            ),
        ]
        | None
    ) = Field(default=None, description="Where the console is, for links to events: https://<app>/console/")
    save_to_sent_items: bool = False
    digest_minutes: Annotated[int, Field(ge=0, le=60), Whole] = Field(
        default=5, description="Events of so many minutes go in one mail; 0 sends a mail for each at once"
    )


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    summary = summarise(event)
    chosen = one_line(template.filled(settings.subject, event)) if settings.subject else ""
    if settings.content_type == "text":
        content = "\n\n".join(
            [summary.headline, description(summary, LARGEST_CONTENT_BYTES), *_seen_at(event, settings)]
        )
    else:
        told = [_heading("h2", summary.headline), _table(summary.facts), _table(summary.about)]
        content = _page([*told, _link(event, settings)])
    return _mail([event], chosen or f"[{event.severity.capitalize()}] {summary.headline}", content, settings)


def problems(settings: Settings, types: Sequence[str]) -> list[str]:
    return template.unfilled("subject", settings.subject, types) if settings.subject else []


def mistakes(url: str, auth: Auth | None) -> list[str]:
    """Clauses about what Graph is going to refuse."""
    found = []
    if not is_for_mail(url):
        found.append("endpoint: mails are sent by https://graph.microsoft.com/v1.0/users/<mailbox>/sendMail")
    if auth is None or auth.type != "entra":
        found.append(
            "auth: Microsoft Graph takes the app's token alone: give auth of the type entra, with the audience "
            "https://graph.microsoft.com, as an admin"
        )
    return found


def digest_every(settings: Settings) -> timedelta | None:
    """How long events are collected; None where each is a mail of its own."""
    return timedelta(minutes=settings.digest_minutes) if settings.digest_minutes else None


def join(events: Sequence[Event], settings: Settings) -> tuple[str, bytes]:
    """One mail of several events, in their order; of one, what `body` makes of it."""
    if len(events) == 1:
        return body(events[0], settings)
    parts, told = _told(events, settings)
    titles = [title_of(event.type) for event in events]
    untold = Counter(titles[: len(events) - told])
    subject = f"[{_severest(events).capitalize()}] {len(events)} events: {_counted(Counter(titles))}"
    rest = f"{sum(untold.values())} earlier events are only counted: {_counted(untold)}. GET /v1.0/events has all."
    if settings.content_type == "text":
        content = "\n\n".join([f"{len(events)} events", *([rest] if untold else []), *parts])
    else:
        content = _page([_heading("h2", f"{len(events)} events"), _paragraph(rest) if untold else "", *parts])
    return _mail(events, subject, content, settings)


def _told(events: Sequence[Event], settings: Settings) -> tuple[list[str], int]:
    """The newest events in full, as many as there is room for, and how many they are."""
    parts: list[str] = []
    room = LARGEST_CONTENT_BYTES
    for event in reversed(events[-MOST_TOLD:]):
        part = _part(event, settings)
        room -= len(dumped(part).encode())
        if room < 0:
            break
        parts.insert(0, part)
    return parts, len(parts)


def _part(event: Event, settings: Settings) -> str:
    summary = summarise(event, MOST_FACTS_OF_ONE)
    heading = f"[{event.severity.capitalize()}] {summary.headline}"
    if settings.content_type == "text":
        return "\n".join([heading, description(summary, LARGEST_CONTENT_BYTES), *_seen_at(event, settings)])
    about = " · ".join(fact.value for fact in summary.about)
    return _heading("h3", heading) + _table(summary.facts) + _paragraph(about) + _link(event, settings)


def _mail(events: Sequence[Event], subject: str, content: str, settings: Settings) -> tuple[str, bytes]:
    """Headers of the mail that rules of a mailbox can look for are of one event alone; Graph takes five."""
    message: dict[str, Any] = {
        "subject": shorten(one_line(subject), LONGEST_SUBJECT),
        "importance": "high" if SEVERITIES.index(_severest(events)) >= SEVERITIES.index("high") else "normal",
        "body": {"contentType": "HTML" if settings.content_type == "html" else "Text", "content": content},
        "toRecipients": [{"emailAddress": {"address": address}} for address in settings.recipients],
    }
    if len(events) == 1:
        [event] = events
        named = {"type": _ascii(event.type), "key": event.key, "correlation": correlation_of(event).key}
        message["internetMessageHeaders"] = [
            {"name": f"x-tenant-hooks-{name}", "value": value} for name, value in named.items()
        ]
    sent = {"message": message, "saveToSentItems": settings.save_to_sent_items}
    return "application/json", dumped(sent).encode()


def _severest(events: Iterable[Event]) -> Severity:
    return max((event.severity for event in events), key=SEVERITIES.index)


def _counted(kinds: Counter[str]) -> str:
    """The most frequent first."""
    named = [f"{name} ({count})" for name, count in kinds.most_common(_MOST_KINDS)]
    return ", ".join(named + [MARK] * (len(kinds) > _MOST_KINDS))


def _page(parts: Iterable[str]) -> str:
    style = "font-family:'Segoe UI',Arial,sans-serif;font-size:14px;color:#201f1e"
    return f'<html><body><div style="{style}">{"".join(parts)}</div></body></html>'


def _heading(level: str, text: str) -> str:
    return f"<{level}>{_escaped(text)}</{level}>"


def _paragraph(text: str) -> str:
    return f'<p style="color:#605e5c">{_escaped(text)}</p>'


def _table(facts: Iterable[Fact]) -> str:
    rows = "".join(
        f'<tr><th align="left" valign="top" style="padding-right:16px">{_escaped(fact.label)}</th>'
        f"<td>{_value(fact.value)}</td></tr>"
        for fact in facts
    )
    return f"<table>{rows}</table>" if rows else ""


def _value(text: str) -> str:
    shown = _escaped(text)
    return f'<a href="{shown}">{shown}</a>' if is_link(text) else shown


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def _link(event: Event, settings: Settings) -> str:
    """To the event in the console."""
    [url] = _seen_at(event, settings) or [""]
    return f'<p><a href="{_escaped(url)}">Show this event in Tenant Hooks</a></p>' if url else ""


def _seen_at(event: Event, settings: Settings) -> list[str]:
    return [f"{settings.console_url}#/events/{quote(event.key, safe='')}"] if settings.console_url else []


def _ascii(text: str) -> str:
    """As a header of a mail takes it."""
    return re.sub(r"[^!-~]", "?", text)[:200]
