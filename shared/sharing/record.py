"""Sharing records, read from the content of the audit feed. Pure: memory grows with one content at a time.

Fields and their forms are those of the schemas "Common schema" and "SharePoint sharing schema" in the Office 365
Management Activity API's reference, and what the service really sends, which is looser: types vary, fields are missing,
and `EventData` looks like XML but is none.
"""

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.model import read_time

SHARING, ADMINISTRATION = 14, 4
"""Record types: SharePointSharingOperation, and SharePoint, which has what concerns administrators of sites."""

ADMINISTRATIVE = frozenset({"SiteCollectionAdminAdded", "SiteCollectionAdminRemoved"})
"""The operations of the second that are about sharing."""

_ITEM_TYPES = {1: "File", 5: "Folder", 6: "Web", 7: "Site", 8: "Tenant", 9: "DocumentLibrary", 11: "Page"}
_FRAGMENT = re.compile(r"<([^<>/][^<>]*)>([^<]*)</\1>")
_AUDIT_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


class ContentUnreadable(Exception):
    """A content of the feed is no JSON array of records; the text quotes nothing of it."""


class Change(NamedTuple):
    """A property that an administrative operation has changed."""

    name: str
    new: str
    old: str


@dataclass(frozen=True, slots=True)
class SharingRecord:
    """One record of the audit log about sharing. A text is empty where the record leaves it out."""

    id: str
    operation: str
    created_at: datetime
    tenant_id: str = ""
    workload: str = ""
    user_id: str = ""
    client_ip: str = ""
    object_id: str = ""
    site_url: str = ""
    item_type: str = ""
    correlation_id: str = ""
    target: str = ""
    target_type: str = ""
    link_id: str = ""
    permission: str = ""
    application_id: str = ""
    event_data: Mapping[str, str] = field(default_factory=dict)
    """Values by the names of their tags, in lower case and without spaces."""
    changes: tuple[Change, ...] = ()


class Unreadable(NamedTuple):
    """A record about sharing that cannot be told of: it does not say what happened, or when."""

    reason: str


def records_of(content: bytes) -> Iterator[dict[str, Any]]:
    """The records of a content, one at a time. Raises ContentUnreadable where the array ends too early or is none."""
    try:
        text = content.decode("utf-8-sig")
        at = _after_space(text, 0)
        if text[at] != "[":
            raise ContentUnreadable("a content of the audit feed is no array of records")
        at = _after_space(text, at + 1)
        while text[at] != "]":
            value, at = _DECODER.raw_decode(text, at)
            if isinstance(value, dict):
                yield value
            at = _after_space(text, at)
            if text[at] not in ",]":
                raise ContentUnreadable("a content of the audit feed is not valid JSON")
            at = _after_space(text, at + 1) if text[at] == "," else at
    except (ValueError, IndexError, RecursionError):
        raise ContentUnreadable("a content of the audit feed is not valid JSON, or ends too early") from None


def is_about_sharing(raw: Mapping[str, Any]) -> bool:
    """Whether a record is; most of a content is about files."""
    kind = raw.get("RecordType")
    if isinstance(kind, str):
        kind = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 5 else None
    return kind == SHARING or (kind == ADMINISTRATION and raw.get("Operation") in ADMINISTRATIVE)


def read_record(raw: Mapping[str, Any]) -> SharingRecord | Unreadable:
    """A record about sharing as a value. Of the time there is no guess: it decides what is told as when."""
    operation = _text(raw, "Operation")
    if not operation:
        return Unreadable("it names no operation")
    try:
        created_at = read_time(_text(raw, "CreationTime")).astimezone(UTC)
    except ValueError:
        return Unreadable("it has no time of creation")
    context = raw.get("AppAccessContext")
    context = context if isinstance(context, dict) else {}
    return SharingRecord(
        id=_id(raw),
        operation=operation,
        created_at=created_at,
        tenant_id=_text(raw, "OrganizationId").lower(),
        workload=_text(raw, "Workload"),
        user_id=_text(raw, "UserId"),
        client_ip=_text(raw, "ClientIP"),
        object_id=_text(raw, "ObjectId"),
        site_url=_text(raw, "SiteUrl"),
        item_type=_item_type(raw.get("ItemType")),
        correlation_id=(_text(raw, "CorrelationId") or _text(context, "CorrelationId")).lower(),
        target=_text(raw, "TargetUserOrGroupName"),
        target_type=_text(raw, "TargetUserOrGroupType"),
        link_id=_text(raw, "UniqueSharingId"),
        permission=_text(raw, "Permission"),
        application_id=_text(raw, "ApplicationId") or _text(context, "ClientAppId"),
        event_data=read_event_data(_text(raw, "EventData")),
        changes=tuple(_changes(raw.get("ModifiedProperties"))),
    )


def read_event_data(text: str) -> dict[str, str]:
    """`<Permissions granted>Edit</Permissions granted>` as `{"permissionsgranted": "Edit"}`: fragments side by side,
    whose tags may hold spaces."""
    found: dict[str, str] = {}
    for tag, value in _FRAGMENT.findall(text):
        found.setdefault(re.sub(r"\s", "", tag).lower(), html.unescape(value).strip())
    return found


def _id(raw: Mapping[str, Any]) -> str:
    """The record's own id; where it has none, or one that no key can hold, a digest that is the same whenever the same
    record comes."""
    given = _text(raw, "Id")
    if _AUDIT_ID.fullmatch(given):
        return given.lower()
    canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"))
    return f"x{hashlib.sha256(canonical.encode()).hexdigest()[:40]}"


def _item_type(value: object) -> str:
    """Text on the wire, although the schema has numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _ITEM_TYPES.get(value, str(value))
    return _clean(value) if isinstance(value, str) else ""


def _changes(value: object) -> Iterator[Change]:
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict):
            yield Change(_text(each, "Name"), _text(each, "NewValue"), _text(each, "OldValue"))


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """Without space at its ends, and without halves of surrogate pairs, which UTF-8 cannot hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
