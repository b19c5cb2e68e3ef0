"""Records of the audit log as SharePoint writes them, with invented values."""

from typing import Any

TENANT_ID = "235ec2cb-0767-40b3-a1de-4da2c42b19e9"
DOMAINS = frozenset({"contoso.example", "contoso.onmicrosoft.com"})
SITE = "https://contoso.sharepoint.com/sites/quay"
PLAN = f"{SITE}/Shared Documents/Plan.docx"
ITEM, LINK = "8e000000-0000-4000-8000-000000000008", "9f000000-0000-4000-8000-000000000009"
ACTION = "c0ffee00-0000-4000-8000-00000000000a"
HEX = "0123456789abcdef" * 4


def audit_id(number: int) -> str:
    return f"a0000000-0000-4000-8000-{number:012x}"


def a_record(operation: str, number: int = 1, **members: Any) -> dict[str, Any]:
    """A record of type 14 about a file; members that are None are left out."""
    record = {
        "Id": audit_id(number),
        "RecordType": 14,
        "CreationTime": "2026-11-20T09:58:12",
        "Operation": operation,
        "OrganizationId": TENANT_ID,
        "UserType": 0,
        "UserKey": "i:0h.f|membership|10030000a1b2c3d4@live.com",
        "Workload": "SharePoint",
        "ClientIP": "203.0.113.9",
        "UserId": "mia@contoso.example",
        "CorrelationId": ACTION,
        "EventSource": "SharePoint",
        "ItemType": "File",
        "ListItemUniqueId": ITEM,
        "ObjectId": PLAN,
        "SiteUrl": f"{SITE}/",
        "SourceRelativeUrl": "Shared Documents/Plan.docx",
        "SourceFileName": "Plan.docx",
        "SourceFileExtension": "docx",
        **members,
    }
    return {name: value for name, value in record.items() if value is not None}


def a_grant(operation: str, target: str, kind: str, number: int = 1, **members: Any) -> dict[str, Any]:
    """One that names somebody."""
    return a_record(operation, number, TargetUserOrGroupName=target, TargetUserOrGroupType=kind, **members)


def granted(level: str) -> str:
    return f"<Permissions granted>{level}</Permissions granted>"


def an_anonymous_link(first: int = 1, **members: Any) -> list[dict[str, Any]]:
    """All records that one anonymous link makes."""
    group = f"SharingLinks.{ITEM}.AnonymousEdit.{LINK}"
    return [
        a_record("AnonymousLinkCreated", first, EventData="<Type>Edit</Type>", UniqueSharingId=LINK, **members),
        a_grant("SharingSet", group, "SharePointGroup", first + 1, EventData=granted("Contribute"), **members),
        a_grant(
            "SharingSet",
            "Limited Access System Group",
            "SharePointGroup",
            first + 2,
            EventData=granted("Limited Access"),
            **members,
        ),
        a_grant("SharingSet", HEX, "SecurityGroup", first + 3, EventData=granted("System.LimitedEdit"), **members),
        a_record(
            "SharingInheritanceBroken",
            first + 4,
            EventData="<copyRoleAssignments>False</copyRoleAssignments><clearSubScopes>False</clearSubScopes>",
            **members,
        ),
    ]


def a_link_for(guest: str, first: int = 1, level: str = "View", **members: Any) -> list[dict[str, Any]]:
    """All records that a link for one chosen person makes."""
    group = f"<Group>SharingLinks.{ITEM}.Flexible.{LINK}</Group>"
    kind = f"<Type>{level}</Type>"
    return [
        a_grant("AddedToGroup", guest, "Guest", first, EventData=group, **members),
        a_grant(
            "AddedToSecureLink",
            guest,
            "Guest",
            first + 1,
            EventData=f"{kind}<MembersCanShareApplied>False</MembersCanShareApplied>",
            UniqueSharingId=LINK,
            **members,
        ),
        a_record("SharingInheritanceBroken", first + 2, **members),
        a_record("SecureLinkCreated", first + 3, EventData=kind, UniqueSharingId=LINK, **members),
    ]
