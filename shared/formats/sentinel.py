"""Microsoft Sentinel: rows of a table in a Log Analytics workspace, by the Logs Ingestion API of Azure Monitor
(learn.microsoft.com, "Logs Ingestion API in Azure Monitor" and, for the limits, "Azure Monitor service limits").

The service takes an array of rows, passes over what the stream of its rule does not declare, and drops no repetition:
`IdempotencyKey` tells queries which rows are the same event. `COLUMNS` is what infra/modules/sentinel.bicep declares.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from shared.formats.shortening import shorten
from shared.formats.summary import event_time, subject, title_of
from shared.model import Auth, Event
from shared.model.ingestion import monitor_of, url_problem
from shared.model.json_text import joined as json_object
from shared.model.json_text import members, quoted

COLUMNS = {
    "TimeGenerated": "datetime",
    "EventTime": "datetime",
    "EventType": "string",
    "EventTitle": "string",
    "Severity": "string",
    "Subject": "string",
    "IdempotencyKey": "string",
    "SourceTenantId": "string",
    "SourceTenantName": "string",
    "MicrosoftTenantId": "string",
    "Content": "dynamic",
    "ContentShortened": "boolean",
}
"""Of a row, with their types as stream declarations name them. `TenantId`, `Type` and `Title` are reserved names."""

MOST_BYTES = 1_000_000
"""Of a call's body. The service refuses more than "1 MB" with 413, and counts that as 1,048,576 bytes."""

MOST_FIELD_BYTES = 32_000
"""Of a value, in UTF-8. The service cuts off what is longer than "64 KB", in the middle of JSON too. This many are
within that if it counts UTF-16, and within the 32 KB that workspaces had before."""


def body(event: Event) -> tuple[str, bytes]:
    """An array of one row. Its `Content` is the event's content byte for byte, or as much of it as a value may hold:
    `ContentShortened` says so."""
    tenant = event.tenant
    at = quoted(_utc(event.time_stamp))
    content, shortened = _within(event.content, MOST_FIELD_BYTES)
    texts = {
        "EventType": event.type,
        "EventTitle": title_of(event.type),
        "Severity": event.severity,
        "Subject": subject(json.loads(event.content)),
        "IdempotencyKey": event.key,
        "SourceTenantId": tenant.id if tenant else None,
        "SourceTenantName": tenant.display_name if tenant else None,
        "MicrosoftTenantId": tenant.microsoft_tenant_id if tenant else None,
    }
    row = {"TimeGenerated": at, "EventTime": at}
    row |= {name: quoted(_text(value)) for name, value in texts.items() if value is not None}
    row |= {"Content": content, "ContentShortened": "true" if shortened else "false"}
    return "application/json", f"[{json_object(row)}]".encode()


def mistakes(url: str, auth: Auth | None) -> list[str]:
    """What is probably wrong with where rows are to go, each a clause that names the field."""
    problem, audience = url_problem(url), monitor_of(url)
    found = [] if problem is None else [f"endpoint: {problem}"]
    if audience is not None and (auth is None or auth.type != "entra"):
        found.append(
            f'auth: Azure Monitor takes tokens of Entra alone: give {{"type": "entra", "audience": "{audience}"}}, '
            "which ALLOWED_TOKEN_AUDIENCES must name"
        )
    elif audience is not None and auth is not None and auth.audience.removesuffix("/") != audience:
        found.append(f"auth.audience: Azure Monitor takes tokens for {audience} at this URL: give that one")
    return found


def join(events: Iterable[Event], settings: None) -> tuple[str, bytes]:
    """An array of a row of each."""
    return "application/json", joined(body(event)[1] for event in events)


def joined(bodies: Iterable[bytes]) -> bytes:
    """The rows of several bodies in one array, in their order. Whoever joins them sees to MOST_BYTES: the result has as
    many bytes as they have together, less one for each but the first."""
    return b"[" + b",".join(body[1:-1] for body in bodies) + b"]"


def _utc(time_stamp: str) -> str:
    """`2026-11-22T10:00:00.000000Z`, the one form that tables of every plan take; at the ends of the calendar the last
    moment that can be written."""
    at = event_time(time_stamp)
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        at = (datetime.min if at.year == 1 else datetime.max).replace(tzinfo=UTC)
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _size(text: str) -> int:
    return len(text.encode())


def _text(value: str) -> str:
    return shorten(value, MOST_FIELD_BYTES, _size)


def _within(content: str, limit: int) -> tuple[str, bool]:
    """A JSON object within so many bytes, and whether anything was left out: the largest members, of which one that is
    a text may be there in part."""
    if _size(content) <= limit:
        return content, False
    values = members(content)
    sizes = {name: _size(f"{quoted(name)}:{value},") for name, value in values.items()}
    kept: dict[str, str] = {}
    room = limit - len("{}")
    for name in sorted(values, key=sizes.__getitem__):
        if sizes[name] > room:
            begun = _begun(values[name], room - _size(f"{quoted(name)}:,"))
            if begun:
                kept[name] = begun
            break
        kept[name] = values[name]
        room -= sizes[name]
    return json_object({name: kept[name] for name in values if name in kept}), True


def _begun(value: str, room: int) -> str:
    """As much of a text's beginning as there is room for, marked; empty where the value is no text, or nothing of it
    fits."""
    if not value.startswith('"'):
        return ""
    text = quoted(shorten(json.loads(value), max(room, 0), lambda part: _size(quoted(part))))
    return text if _size(text) <= room else ""
