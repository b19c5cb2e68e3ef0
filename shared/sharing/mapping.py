"""What a sharing record becomes: an event, or nothing, with the reason. Pure.

One action of a person makes several records. For each fact one operation is chosen that tells it, so that no record
has to wait for another: whom a link for chosen people is for is in `AddedToSecureLink`, not in `SecureLinkCreated`.
What happens when somebody shares is told in "Use sharing auditing in the audit log" (Microsoft Purview).
"""

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from urllib.parse import unquote

from shared.model import Severity, utc_text
from shared.sharing.principals import Principal, is_hidden_group, is_system, principal_of
from shared.sharing.record import SharingRecord

EXTERNAL, ANONYMOUS = "permission.external_share_created", "permission.anonymous_link_created"
GRANTED, REVOKED = "permission.granted", "permission.revoked"

_GRANT = "grant"
UNKNOWN = "Unknown"
ANYONE, ORGANISATION = Principal("Anyone", True), Principal("Organization", False)
NOBODY = Principal(UNKNOWN, False)

_LEVELS = {
    "read": "View",
    "view": "View",
    "contribute": "Edit",
    "edit": "Edit",
    "design": "Edit",
    "full control": "FullControl",
    "fullcontrol": "FullControl",
}
_BY_SUFFIX = {"owners": "FullControl", "members": "Edit", "visitors": "View"}
_CONTAINERS = frozenset({"folder", "documentlibrary", "list", "web", "site", "tenant"})
_URL = re.compile(r"(https?://[^/]+)(/.*)?", re.IGNORECASE | re.DOTALL)
_EMBEDDED = re.compile(r"/contentstorage/|/CSP_[0-9a-fA-F]{8}")
_SITE = re.compile(r"/(?:sites|teams|personal)/[^/]+", re.IGNORECASE)


class SharingEvent(NamedTuple):
    """What is to be told of a record. `twins` are names for the fact, where another operation may tell it too: under
    the first this record leaves its own mark, under any of them it may find the other's."""

    type: str
    content: dict[str, str]
    severity: Severity
    at: datetime
    key: str
    twins: tuple[str, ...]


class Ignored(NamedTuple):
    """Nothing is told: `noise` comes from SharePoint itself, `twin` of another record that tells the fact, `unmapped`
    gives nobody access and takes it from nobody."""

    reason: Literal["noise", "twin", "unmapped"]


@dataclass(frozen=True)
class _Rule:
    """What an operation tells; of a _GRANT it depends on the principal whether it is EXTERNAL or GRANTED."""

    type: str
    permission_type: str
    principal: Principal | None = None
    """Where the operation itself says who it is."""
    level: Callable[[SharingRecord], str] = lambda record: _level(record)
    has_twin: bool = False


def _level(record: SharingRecord) -> str:
    given = record.event_data.get("type") or record.event_data.get("permissionsgranted") or record.permission
    return _LEVELS.get(given.lower(), given) or UNKNOWN


def _level_of_link(record: SharingRecord) -> str:
    level = _level(record)
    return "View" if level == UNKNOWN else level


def _level_of_group(record: SharingRecord) -> str:
    """From the end of the group's name, as SharePoint names the groups of a site in English."""
    return _BY_SUFFIX.get(_group(record).rpartition(" ")[2].lower(), UNKNOWN)


_RULES = {
    "AnonymousLinkCreated": _Rule(ANONYMOUS, "AnonymousLink", ANYONE, _level_of_link),
    "AddedToSecureLink": _Rule(_GRANT, "SharingLink"),
    "SharingInvitationCreated": _Rule(EXTERNAL, "Invitation"),
    "SharingSet": _Rule(_GRANT, "Direct", has_twin=True),
    "AddedToGroup": _Rule(_GRANT, "SharePointGroup", level=_level_of_group, has_twin=True),
    "CompanyLinkCreated": _Rule(GRANTED, "OrganizationLink", ORGANISATION, _level_of_link),
    "SiteCollectionAdminAdded": _Rule(GRANTED, "SiteAdmin", level=lambda _: "FullControl"),
    "SharingRevoked": _Rule(REVOKED, "Direct"),
    "RemovedFromSecureLink": _Rule(REVOKED, "SharingLink"),
    "RemovedFromGroup": _Rule(REVOKED, "SharePointGroup", level=_level_of_group),
    "SharingInvitationRevoked": _Rule(REVOKED, "Invitation"),
    "SiteCollectionAdminRemoved": _Rule(REVOKED, "SiteAdmin"),
    "AnonymousLinkRemoved": _Rule(REVOKED, "AnonymousLink", ANYONE),
    "CompanyLinkRemoved": _Rule(REVOKED, "OrganizationLink", ORGANISATION),
    "SecureLinkDeleted": _Rule(REVOKED, "SharingLink"),
}
_TWINS = frozenset({"SecureLinkCreated", "SecureLinkUpdated", "SharingInheritanceBroken"})
_LINKS = frozenset({"AnonymousLinkCreated", "CompanyLinkCreated", "AddedToSecureLink"})
"""What apps do for people, too, and not only SharePoint for itself."""


def map_record(record: SharingRecord, domains: Collection[str], with_client_ip: bool = True) -> SharingEvent | Ignored:
    """What is to be told of a record. `domains` are the tenant's own, in lower case; none where they are not known."""
    rule = _RULES.get(record.operation)
    if rule is None:
        return Ignored("twin" if record.operation in _TWINS else "unmapped")
    if _is_noise(record):
        return Ignored("noise")
    principal = rule.principal or _principal(record, domains)
    level = rule.level(record)
    kind = rule.type
    if kind == _GRANT:
        kind = EXTERNAL if principal.is_external else GRANTED
    content = {
        "siteUrl": _site_url(record),
        "resourcePath": _resource_path(record),
        "permissionType": rule.permission_type,
        "principal": principal.name,
        "accessLevel": level,
        "actor": record.user_id,
        "clientIp": record.client_ip if with_client_ip else "",
        "occurredAt": utc_text(record.created_at).replace(".000Z", "Z"),
        "operation": record.operation,
        "itemType": record.item_type,
        "workload": record.workload,
        "linkId": record.link_id,
        "auditId": record.id,
        "groupName": _group(record),
    }
    return SharingEvent(
        type=kind,
        content={name: value for name, value in content.items() if value},
        severity=_severity(kind, rule, record, level),
        at=record.created_at,
        key=f"sharing:{record.id}",
        twins=_twins(record, kind, content["siteUrl"], principal.name) if rule.has_twin else (),
    )


def _is_noise(record: SharingRecord) -> bool:
    """What SharePoint does for itself, or as a side effect of what another record tells."""
    if _EMBEDDED.search(record.object_id):
        return True  # containers of SharePoint Embedded belong to an app, not to people's sites
    if is_system(record.user_id) and not (record.application_id and record.operation in _LINKS):
        return True
    if is_system(record.target) or is_hidden_group(record.target) or is_hidden_group(_group(record)):
        return True
    granted = record.event_data.get("permissionsgranted", "").lower()
    return granted == "limited access" or granted.startswith("system.limited")


def _principal(record: SharingRecord, domains: Collection[str]) -> Principal:
    named = principal_of(record.target, record.target_type, domains)
    if named is None and record.operation.startswith("SiteCollectionAdmin"):
        names = _changed_names(record)
        named = Principal(", ".join(names), False) if names else None
    if named is None and record.operation == "SecureLinkDeleted" and record.link_id:
        named = Principal(f"Link {record.link_id}", False)
    return named or NOBODY


def _changed_names(record: SharingRecord) -> list[str]:
    """The administrators that one list of them has and the other has not."""
    found = []
    for change in record.changes:
        new, old = (_names(text) for text in (change.new, change.old))
        added = record.operation == "SiteCollectionAdminAdded"
        found += [name for name in (new if added else old) if name not in (old if added else new)]
    named = (principal_of(name, "", ()) for name in found)
    return [each.name for each in named if each is not None]


def _names(text: str) -> list[str]:
    return [part.strip() for part in re.split("[;,]", text) if part.strip()]


def _group(record: SharingRecord) -> str:
    return record.event_data.get("group", "")


def _severity(kind: str, rule: _Rule, record: SharingRecord, level: str) -> Severity:
    if kind == ANONYMOUS:
        return "critical" if level == "Edit" and record.item_type.lower() in _CONTAINERS else "high"
    if kind == EXTERNAL:
        return "high" if level in ("Edit", "FullControl") else "medium"
    return "high" if (kind, rule.permission_type) == (GRANTED, "SiteAdmin") else "low"


def _site_url(record: SharingRecord) -> str:
    if record.site_url.strip("/"):
        return record.site_url.rstrip("/")
    url = _URL.fullmatch(record.object_id)
    if url is None:
        return UNKNOWN
    site = _SITE.match(url[2] or "")
    return url[1] + (site[0] if site else "")


def _resource_path(record: SharingRecord) -> str:
    """The path of what was shared; of a site itself, and where the record names nothing in it, the site's."""
    site = _path(_site_url(record))
    if record.item_type.lower() in ("web", "site"):
        return site or "/"
    _, again, last = record.object_id.rpartition("https://")  # the URL of a list may hold another one
    path = _path(f"https://{last}" if again else record.object_id)
    if site and path.lower().startswith(f"{site}{site}/".lower()):
        path = path[len(site) :]  # or the site's path twice
    return path or site or ("/" if record.site_url else UNKNOWN)


def _path(url: str) -> str:
    """Percent-decoded, without a slash at its end; signs such as `#` are part of it, as SharePoint writes it."""
    parts = _URL.fullmatch(url)
    return unquote(parts[2] or "").rstrip("/") if parts else ""


def _twins(record: SharingRecord, kind: str, site_url: str, principal: str) -> tuple[str, ...]:
    """Two operations of one action, about the same person and site. An action has a correlation id; where it is
    missing, the minute of the record stands for it, and its neighbours."""
    marks = [record.correlation_id]
    if not record.correlation_id:
        minute = round(record.created_at.timestamp()) // 60
        marks = [f"minute {minute}", f"minute {minute - 1}", f"minute {minute + 1}"]
    facts = (record.tenant_id, kind, site_url.lower(), principal.lower())
    return tuple(hashlib.sha256("\n".join((*facts, mark)).encode()).hexdigest()[:40] for mark in marks)
