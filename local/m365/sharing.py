"""What people do with files and sites in the stand-in's tenant, and the records that SharePoint's audit log has of it:
also those that say the same in other words, or nothing."""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, ConfigDict

from local.m365.tenant import JSON_NAMES

Record = dict[str, Any]
_CHOOSE_FROM = random.Random()  # noqa: S311  # nothing is to be kept secret


@dataclass(frozen=True)
class Action:
    """One thing that somebody did. The control API takes these members in camelCase."""

    __pydantic_config__: ClassVar[ConfigDict] = JSON_NAMES

    do: Literal[
        "share",
        "shareDirectly",
        "invite",
        "addMember",
        "addAdmin",
        "anonymousLink",
        "organizationLink",
        "revoke",
        "revokeDirectly",
        "removeMember",
        "removeAdmin",
        "removeAnonymousLink",
        "removeOrganizationLink",
        "createSite",
        "openFile",
    ] = "share"
    item: str = "https://contoso.sharepoint.com/sites/finance/Shared Documents/Budget.xlsx"
    """The URL of the file, folder or site."""
    item_type: Literal["File", "Folder", "DocumentLibrary", "Web"] = "File"
    who: str = "zoe@fabrikam.example"
    kind: Literal["Guest", "Member", "Partner", "SecurityGroup", "SharePointGroup"] = "Guest"
    level: Literal["View", "Edit"] = "View"
    by: str = "mia@contoso.com"
    at: AwareDatetime | None = None
    """When it was done; now where that is not said."""


def records_of(action: Action, tenant_id: str) -> list[Record]:
    """All that the audit log has of an action, in no order that means something."""
    records = list(_MADE[action.do](_Maker(action, tenant_id)))
    _CHOOSE_FROM.shuffle(records)
    return records


class _Maker:
    """Makes the records of one action, which share a correlation id."""

    def __init__(self, action: Action, tenant_id: str) -> None:
        self.action = action
        self.item_id, self.correlation_id = (str(uuid.uuid4()) for _ in range(2))
        self.link_id = _link_id(action)
        self.site = "/".join(action.item.split("/")[:5])
        self.name = action.item.rpartition("/")[2]
        self._tenant_id = tenant_id
        self._at = (action.at or datetime.now(UTC)).astimezone(UTC)

    def record(self, operation: str, **members: Any) -> Record:
        """One of type 14; members that are None are left out."""
        about_site = self.action.item_type == "Web"
        record: Record = {
            "Id": str(uuid.uuid4()),
            "RecordType": 14,
            "CreationTime": f"{self._at:%Y-%m-%dT%H:%M:%S}",
            "Operation": operation,
            "OrganizationId": self._tenant_id,
            "UserType": 0,
            "UserKey": "i:0h.f|membership|1003200011223344@live.com",
            "Workload": "OneDrive" if "/personal/" in self.action.item else "SharePoint",
            "ClientIP": "203.0.113.9",
            "UserId": self.action.by,
            "CorrelationId": self.correlation_id,
            "EventSource": "SharePoint",
            "ItemType": self.action.item_type,
            "Site": str(uuid.uuid5(uuid.NAMESPACE_URL, self.site)),
            "WebId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.site}/web")),
            "ListItemUniqueId": None if about_site else self.item_id,
            "ObjectId": self.site if about_site else self.action.item,
            "SiteUrl": f"{self.site}/",
            "SourceRelativeUrl": None if about_site else self.action.item.split("/", 5)[-1],
            "SourceFileName": None if about_site else self.name,
            "SourceFileExtension": None if about_site else self.name.rpartition(".")[2],
            **members,
        }
        return {name: value for name, value in record.items() if value is not None}

    def named(self, operation: str, **members: Any) -> Record:
        """One that names who has got or lost access."""
        target = {"TargetUserOrGroupType": self.action.kind, "TargetUserOrGroupName": self.action.who}
        return self.record(operation, **{**target, **members})

    @property
    def link(self) -> Record:
        return {"EventData": f"<Type>{self.action.level}</Type>", "UniqueSharingId": self.link_id}

    @property
    def group(self) -> Record:
        site = self.site.rpartition("/")[2].title()
        members = {"View": "Visitors", "Edit": "Members"}[self.action.level]
        return {"EventData": f"<Group>{site} {members}</Group>", "ItemType": "Web", "ObjectId": self.site}

    def beside_a_link(self, kind: str) -> Iterator[Record]:
        """What SharePoint does for itself to make a link work."""
        granted = "Contribute" if self.action.level == "Edit" else "Read"
        for name, target_type, level in (
            (f"SharingLinks.{self.item_id}.{kind}.{self.link_id}", "SharePointGroup", granted),
            ("Limited Access System Group", "SharePointGroup", "Limited Access"),
            (uuid.uuid4().hex + uuid.uuid4().hex, "SecurityGroup", f"System.Limited{self.action.level}"),
        ):
            target = {"TargetUserOrGroupType": target_type, "TargetUserOrGroupName": name}
            data = f"<Permissions granted>{level}</Permissions granted>"
            yield self.record("SharingSet", EventData=data, **target)
        broken = "<copyRoleAssignments>False</copyRoleAssignments><clearSubScopes>False</clearSubScopes>"
        yield self.record("SharingInheritanceBroken", EventData=broken)


_LINKS = {"share": "people", "revoke": "people"} | {
    do: do.removeprefix("remove").lower()
    for do in ("anonymousLink", "removeAnonymousLink", "organizationLink", "removeOrganizationLink")
}
"""Which link of an item is made or removed."""


def _link_id(action: Action) -> str:
    """The same when a link is made and when it is removed, as SharePoint has it; an item has one link of each sort."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{action.item}#{_LINKS.get(action.do, action.do)}"))


def _share(made: _Maker) -> Iterator[Record]:
    group = f"<Group>SharingLinks.{made.item_id}.Flexible.{made.link_id}</Group>"
    yield made.named("AddedToGroup", EventData=group)
    data = f"{made.link['EventData']}<MembersCanShareApplied>False</MembersCanShareApplied>"
    yield made.named("AddedToSecureLink", EventData=data, UniqueSharingId=made.link_id)
    yield made.record("SharingInheritanceBroken")
    yield made.record("SecureLinkCreated", **made.link)


def _share_directly(made: _Maker) -> Iterator[Record]:
    """Also as a member of a hidden group, and where it is a site as one of a group that everybody sees."""
    level = "Contribute" if made.action.level == "Edit" else "Read"
    yield made.named("SharingSet", EventData=f"<Permissions granted>{level}</Permissions granted>")
    if made.action.item_type == "Web":
        yield made.named("AddedToGroup", **made.group)
    else:
        yield made.named("AddedToGroup", EventData="<Group>Limited Access System Group For List 1</Group>")


def _new_site(made: _Maker) -> Iterator[Record]:
    automatic = {"UserId": "app@sharepoint", "UserKey": "i:0i.t|00000003-0000-0ff1-ce00-000000000000|app@sharepoint"}
    for target in ("Everyone except external users", "SHAREPOINT\\system", "Finance Owners"):
        about = {"TargetUserOrGroupName": target, "TargetUserOrGroupType": "SecurityGroup", "ClientIP": ""}
        yield made.record("AddedToGroup", **{**made.group, **automatic, **about})


def _open_file(made: _Maker) -> Iterator[Record]:
    yield made.record("FileAccessed", RecordType=6)


def _named(operation: str, **members: Any) -> Callable[[_Maker], Iterator[Record]]:
    return lambda made: iter([made.named(operation, **members)])


_MADE: dict[str, Callable[[_Maker], Iterator[Record]]] = {
    "share": _share,
    "shareDirectly": _share_directly,
    "invite": _named("SharingInvitationCreated"),
    "addMember": lambda made: iter([made.named("AddedToGroup", **made.group)]),
    "addAdmin": _named("SiteCollectionAdminAdded", RecordType=4, ItemType="Site"),
    "anonymousLink": lambda made: iter(
        [made.record("AnonymousLinkCreated", **made.link), *made.beside_a_link(f"Anonymous{made.action.level}")]
    ),
    "organizationLink": lambda made: iter(
        [
            made.record("CompanyLinkCreated", SharingLinkScope="Organization", **made.link),
            *made.beside_a_link(f"Organization{made.action.level}"),
        ]
    ),
    "revoke": lambda made: iter([made.named("RemovedFromSecureLink", **made.link)]),
    "revokeDirectly": _named("SharingRevoked"),
    "removeMember": lambda made: iter([made.named("RemovedFromGroup", **made.group)]),
    "removeAdmin": _named("SiteCollectionAdminRemoved", RecordType=4, ItemType="Site"),
    "removeAnonymousLink": lambda made: iter([made.record("AnonymousLinkRemoved", **made.link)]),
    "removeOrganizationLink": lambda made: iter([made.record("CompanyLinkRemoved", **made.link)]),
    "createSite": _new_site,
    "openFile": _open_file,
}
