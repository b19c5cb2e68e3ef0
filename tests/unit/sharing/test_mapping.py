"""What each record of the audit log becomes, line by line of the table in docs/sharing.md."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from doubles.audit_records import (
    ACTION,
    DOMAINS,
    HEX,
    ITEM,
    LINK,
    PLAN,
    SITE,
    a_grant,
    a_link_for,
    a_record,
    an_anonymous_link,
    audit_id,
    granted,
)
from shared.model.catalogue import content_errors
from shared.model.event import IDEMPOTENCY_KEY
from shared.sharing import mapping
from shared.sharing.mapping import ANONYMOUS, EXTERNAL, GRANTED, REVOKED, Ignored, SharingEvent, map_record
from shared.sharing.record import SharingRecord, Unreadable, is_about_sharing, read_record

TOLD_IN = "docs/sharing.md#which-record-makes-which-event"

ZOE, LEO = "zoe@fabrikam.example", "leo@contoso.example"
GUEST = "zoe_fabrikam.example#ext#@contoso.onmicrosoft.com"
VIEW, EDIT = "<Type>View</Type>", "<Type>Edit</Type>"
WEB: dict[str, Any] = {"ItemType": "Web", "ObjectId": SITE}


def read(raw: dict[str, Any]) -> SharingRecord:
    record = read_record(raw)
    assert isinstance(record, SharingRecord)
    return record


def outcome(raw: dict[str, Any]) -> SharingEvent | Ignored:
    return map_record(read(raw), DOMAINS)


Told = tuple[str, str, str, str, str]


def told(raw: dict[str, Any]) -> Told | str:
    """Type, kind of permission, principal, level and severity; or why it is ignored."""
    event = outcome(raw)
    if isinstance(event, Ignored):
        return event.reason
    content = event.content
    return event.type, content["permissionType"], content["principal"], content["accessLevel"], event.severity


def member(operation: str, group: str, target: str = LEO, kind: str = "Member") -> dict[str, Any]:
    return a_grant(operation, target, kind, EventData=f"<Group>{group}</Group>", **WEB)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (a_record("AnonymousLinkCreated", EventData=EDIT), (ANONYMOUS, "AnonymousLink", "Anyone", "Edit", "high")),
        (a_record("AnonymousLinkCreated"), (ANONYMOUS, "AnonymousLink", "Anyone", "View", "high")),
        (
            a_record("AnonymousLinkCreated", EventData=EDIT, ItemType="Folder"),
            (ANONYMOUS, "AnonymousLink", "Anyone", "Edit", "critical"),
        ),
        (
            a_record("AnonymousLinkCreated", EventData=VIEW, ItemType="Folder"),
            (ANONYMOUS, "AnonymousLink", "Anyone", "View", "high"),
        ),
        (a_record("AnonymousLinkUpdated"), "unmapped"),
        (a_record("AnonymousLinkUsed"), "unmapped"),
        (
            a_grant("AddedToSecureLink", ZOE, "Guest", EventData=EDIT),
            (EXTERNAL, "SharingLink", ZOE, "Edit", "high"),
        ),
        (
            a_grant("AddedToSecureLink", LEO, "Member", EventData=VIEW),
            (GRANTED, "SharingLink", LEO, "View", "low"),
        ),
        (a_record("SecureLinkCreated", EventData=VIEW), "twin"),
        (a_record("SecureLinkUpdated"), "twin"),
        (a_record("SharingInheritanceBroken"), "twin"),
        (
            a_grant("SharingInvitationCreated", ZOE, "Guest", **WEB),
            (EXTERNAL, "Invitation", ZOE, "Unknown", "medium"),
        ),
        (
            a_grant("SharingInvitationCreated", "leo@contoso.example", "", EventData=granted("Edit")),
            (EXTERNAL, "Invitation", LEO, "Edit", "high"),
        ),
        (a_grant("SharingInvitationAccepted", ZOE, "Guest"), "unmapped"),
        (a_grant("SharingInvitationBlocked", ZOE, "Guest"), "unmapped"),
        (
            a_grant("SharingSet", GUEST, "Guest", EventData=granted("Read")),
            (EXTERNAL, "Direct", ZOE, "View", "medium"),
        ),
        (
            a_grant("SharingSet", "pat@partner.example", "Partner", EventData=granted("Full Control")),
            (EXTERNAL, "Direct", "pat@partner.example", "FullControl", "high"),
        ),
        (
            a_grant("SharingSet", LEO, "Member", EventData=granted("Contribute")),
            (GRANTED, "Direct", LEO, "Edit", "low"),
        ),
        (
            a_grant("SharingSet", "Finance", "SecurityGroup", EventData=granted("Approve")),
            (GRANTED, "Direct", "Finance", "Approve", "low"),
        ),
        (
            a_grant("SharingSet", "Quay Members", "SharePointGroup", EventData=granted("Design")),
            (GRANTED, "Direct", "Quay Members", "Edit", "low"),
        ),
        (
            a_grant(
                "SharingSet",
                "Quay Members",
                "SharePointGroup",
                EventData="<PermissionsGranted>Read</PermissionsGranted>",
            ),
            (GRANTED, "Direct", "Quay Members", "View", "low"),
        ),
        (
            member("AddedToGroup", "Quay Owners", ZOE, "Guest"),
            (EXTERNAL, "SharePointGroup", ZOE, "FullControl", "high"),
        ),
        (member("AddedToGroup", "Quay Members"), (GRANTED, "SharePointGroup", LEO, "Edit", "low")),
        (member("AddedToGroup", "Quay Visitors"), (GRANTED, "SharePointGroup", LEO, "View", "low")),
        (member("AddedToGroup", "Besucher von Quay"), (GRANTED, "SharePointGroup", LEO, "Unknown", "low")),
        (
            a_record("CompanyLinkCreated", EventData=EDIT, SharingLinkScope="Organization"),
            (GRANTED, "OrganizationLink", "Organization", "Edit", "low"),
        ),
        (
            a_grant("SiteCollectionAdminAdded", LEO, "Member", RecordType=4, **WEB),
            (GRANTED, "SiteAdmin", LEO, "FullControl", "high"),
        ),
        (
            a_record(
                "SiteCollectionAdminAdded",
                RecordType=4,
                ModifiedProperties=[
                    {
                        "Name": "SiteAdmin",
                        "NewValue": "i:0#.f|membership|mia@contoso.example;i:0#.f|membership|leo@contoso.example",
                        "OldValue": "i:0#.f|membership|mia@contoso.example",
                    }
                ],
            ),
            (GRANTED, "SiteAdmin", LEO, "FullControl", "high"),
        ),
        (a_grant("SharingRevoked", ZOE, "Guest"), (REVOKED, "Direct", ZOE, "Unknown", "low")),
        (
            a_grant("RemovedFromSecureLink", ZOE, "Guest", EventData=VIEW),
            (REVOKED, "SharingLink", ZOE, "View", "low"),
        ),
        (member("RemovedFromGroup", "Quay Members", ZOE, "Guest"), (REVOKED, "SharePointGroup", ZOE, "Edit", "low")),
        (a_grant("SharingInvitationRevoked", ZOE, "Guest"), (REVOKED, "Invitation", ZOE, "Unknown", "low")),
        (
            a_grant("SiteCollectionAdminRemoved", LEO, "Member", RecordType=4),
            (REVOKED, "SiteAdmin", LEO, "Unknown", "low"),
        ),
        (a_record("AnonymousLinkRemoved", EventData=EDIT), (REVOKED, "AnonymousLink", "Anyone", "Edit", "low")),
        (a_record("CompanyLinkRemoved"), (REVOKED, "OrganizationLink", "Organization", "Unknown", "low")),
        (
            a_record("SecureLinkDeleted", UniqueSharingId=LINK),
            (REVOKED, "SharingLink", f"Link {LINK}", "Unknown", "low"),
        ),
        (a_record("PermissionLevelModified"), "unmapped"),
        (a_record("WebMembersCanShareModified"), "unmapped"),
    ],
    ids=lambda value: value.get("Operation", "") if isinstance(value, dict) else "",
)
def test_each_operation_becomes_what_the_table_says(raw: dict[str, Any], expected: Told | str) -> None:
    assert told(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        a_grant("SharingSet", f"SharingLinks.{ITEM}.Flexible.{LINK}", "SharePointGroup", EventData=granted("Read")),
        a_grant("SharingSet", "Limited Access System Group", "SharePointGroup"),
        a_grant("SharingSet", LEO, "Member", EventData=granted("Limited Access")),
        a_grant("SharingSet", LEO, "Member", EventData=granted("System.LimitedView")),
        a_grant("SharingSet", HEX, "SecurityGroup", EventData=granted("Read")),
        member("AddedToGroup", f"SharingLinks.{ITEM}.Flexible.{LINK}", ZOE, "Guest"),
        member("AddedToGroup", "Limited Access System Group For List 5b"),
        member("RemovedFromGroup", f"SharingLinks.{ITEM}.Flexible.{LINK}", ZOE, "Guest"),
        member("AddedToGroup", "Quay Owners") | {"UserId": "app@sharepoint"},
        member("AddedToGroup", "Quay Owners") | {"UserId": "SHAREPOINT\\system"},
        member("AddedToGroup", "Quay Owners", "SHAREPOINT\\system"),
        member("AddedToGroup", "Quay Owners", "NT Service\\spsearch"),
        a_record("AnonymousLinkCreated", UserId="app@sharepoint"),
        a_record("AnonymousLinkCreated", ObjectId="https://contoso.sharepoint.com/contentstorage/CSP_5b/Plan.docx"),
    ],
    ids=lambda raw: f"{raw['Operation']}",
)
def test_what_sharepoint_does_by_itself_is_noise(raw: dict[str, Any]) -> None:
    assert told(raw) == "noise"


def test_what_an_app_shares_is_told() -> None:
    link = a_record(
        "AnonymousLinkCreated", UserId="app@sharepoint", ApplicationId="11111111-0000-4000-8000-000000000001"
    )
    assert told(link)[0] == ANONYMOUS
    assert told(link | {"Operation": "SharingSet", "TargetUserOrGroupName": LEO}) == "noise"


def test_a_file_whose_name_begins_like_a_container_is_none() -> None:
    assert told(a_record("AnonymousLinkCreated", ObjectId=f"{SITE}/Shared Documents/CSP_Plan.docx"))[0] == ANONYMOUS


def test_one_anonymous_link_makes_one_event() -> None:
    events = [outcome(raw) for raw in an_anonymous_link()]
    assert [isinstance(event, SharingEvent) for event in events] == [True, False, False, False, False]


def test_one_link_for_a_chosen_guest_makes_one_event() -> None:
    events = [event for raw in a_link_for(ZOE) if isinstance(event := outcome(raw), SharingEvent)]
    assert [(event.type, event.content["operation"]) for event in events] == [(EXTERNAL, "AddedToSecureLink")]


def test_an_event_says_all_that_the_record_does() -> None:
    event = outcome(a_record("AnonymousLinkCreated", EventData=EDIT, UniqueSharingId=LINK))
    assert isinstance(event, SharingEvent)
    assert event.content == {
        "siteUrl": SITE,
        "resourcePath": "/sites/quay/Shared Documents/Plan.docx",
        "permissionType": "AnonymousLink",
        "principal": "Anyone",
        "accessLevel": "Edit",
        "actor": "mia@contoso.example",
        "clientIp": "203.0.113.9",
        "occurredAt": "2026-11-20T09:58:12Z",
        "operation": "AnonymousLinkCreated",
        "itemType": "File",
        "workload": "SharePoint",
        "linkId": LINK,
        "auditId": audit_id(1),
    }
    assert (event.key, event.at.isoformat()) == (f"sharing:{audit_id(1)}", "2026-11-20T09:58:12+00:00")
    private = map_record(read(a_record("AnonymousLinkCreated")), DOMAINS, with_client_ip=False)
    assert isinstance(private, SharingEvent)
    assert "clientIp" not in private.content


@pytest.mark.parametrize(
    ("members", "site", "path"),
    [
        ({}, SITE, "/sites/quay/Shared Documents/Plan.docx"),
        ({"ObjectId": f"{SITE}/Docs/50%25 off %23new.docx"}, SITE, "/sites/quay/Docs/50% off #new.docx"),
        ({"ObjectId": f"{SITE}/Docs/a#b?c.docx"}, SITE, "/sites/quay/Docs/a#b?c.docx"),
        ({"SiteUrl": None}, SITE, "/sites/quay/Shared Documents/Plan.docx"),
        ({"SiteUrl": None, "ObjectId": "https://contoso.sharepoint.com/Docs/a.docx"}, SITE[:30], "/Docs/a.docx"),
        ({"ItemType": "Web", "ObjectId": f"{SITE}/"}, SITE, "/sites/quay"),
        ({"ItemType": "Web", "SiteUrl": f"{SITE[:30]}/", "ObjectId": SITE[:30]}, SITE[:30], "/"),
        ({"ItemType": "List", "ObjectId": f"{SITE}/sites/quay/Lists/Plans"}, SITE, "/sites/quay/Lists/Plans"),
        ({"ItemType": "List", "ObjectId": f"{SITE}/{SITE}/Lists/Plans"}, SITE, "/sites/quay/Lists/Plans"),
        ({"SiteUrl": None, "ObjectId": None}, "Unknown", "Unknown"),
        ({"ObjectId": None}, SITE, "/sites/quay"),
        (
            {"SiteUrl": None, "ObjectId": "https://contoso-my.sharepoint.com/personal/mia/Documents/a.docx"},
            "https://contoso-my.sharepoint.com/personal/mia",
            "/personal/mia/Documents/a.docx",
        ),
    ],
)
def test_site_and_path_of_what_was_shared(members: dict[str, Any], site: str, path: str) -> None:
    event = outcome(a_record("AnonymousLinkCreated", **members))
    assert isinstance(event, SharingEvent)
    assert (event.content["siteUrl"], event.content["resourcePath"]) == (site, path)


def names(raw: dict[str, Any]) -> set[str]:
    event = outcome(raw)
    assert isinstance(event, SharingEvent)
    return set(event.twins)


def test_two_operations_of_one_action_about_one_person_are_twins() -> None:
    direct = a_grant("SharingSet", ZOE.upper(), "Guest", 1, **WEB)
    group = member("AddedToGroup", "Quay Members", GUEST, "Guest")
    assert names(direct) == names(group)
    assert not names(direct) & names(group | {"CorrelationId": "another"})
    assert not names(direct) & names(group | {"TargetUserOrGroupName": "kim@fabrikam.example"})
    assert not names(direct) & names(group | {"SiteUrl": f"{SITE}-2/"})
    assert outcome(a_grant("SharingInvitationCreated", ZOE, "Guest")).twins == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(("later", "near"), [("09:59:59", True), ("09:57:00", True), ("10:00:00", False)])
def test_without_a_correlation_id_neighbouring_minutes_count(later: str, near: bool) -> None:
    first = outcome(a_grant("SharingSet", ZOE, "Guest", CorrelationId=None, **WEB))
    second = outcome(
        member("AddedToGroup", "Quay Members", ZOE, "Guest")
        | {"CorrelationId": "", "CreationTime": f"2026-11-20T{later}"}
    )
    assert isinstance(first, SharingEvent)
    assert isinstance(second, SharingEvent)
    assert (first.twins[0] in second.twins) == (second.twins[0] in first.twins) == near


texts = st.one_of(
    st.text(max_size=30), st.sampled_from([SITE, PLAN, ZOE, GUEST, HEX, ACTION, EDIT, granted("Edit"), "\ud800"])
)
values = st.one_of(
    texts,
    st.none(),
    st.integers(),
    st.booleans(),
    st.lists(texts, max_size=2),
    st.dictionaries(texts, texts, max_size=2),
)
MEMBERS = [*a_grant("", "", ""), "EventData", "UniqueSharingId", "ModifiedProperties", "AppAccessContext", "Permission"]
OPERATIONS = ["SharingSet", "AddedToGroup", "AnonymousLinkCreated", "SiteCollectionAdminAdded", "SecureLinkDeleted"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(OPERATIONS), st.dictionaries(st.sampled_from(MEMBERS), values))
@example("AnonymousLinkCreated", {"CreationTime": "2026-11-20T09:58:12", "ObjectId": "\ud800"})
@example("SharingSet", {"CreationTime": "9999-11-20T09:58:12"})
def test_whatever_a_record_holds_it_is_told_ignored_or_named_unreadable(
    operation: str, members: dict[str, Any]
) -> None:
    raw = {"CreationTime": "2026-11-20T09:58:12", **members, "Operation": operation}
    assert isinstance(is_about_sharing(raw), bool)
    record = read_record(raw)
    if isinstance(record, Unreadable):
        return
    event = map_record(record, DOMAINS)
    if isinstance(event, SharingEvent):
        assert content_errors(event.type, dict(event.content)) == []
        assert IDEMPOTENCY_KEY.fullmatch(event.key)
        json.dumps(event.content, ensure_ascii=False).encode()
        assert map_record(record, DOMAINS) == event
    elif operation == "AnonymousLinkCreated":
        assert event.reason == "noise"


def test_the_page_has_a_line_for_each_operation_that_is_told() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sharing.md").read_text("utf-8")
    page = page.partition("## Which record makes which event")[2].partition("\n## ")[0]
    told_of = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert told_of == list(mapping._RULES)
    for operation in told_of:
        [line] = re.findall(rf"^\| `{operation}` \|.*", page, re.MULTILINE)
        rule = mapping._RULES[operation]
        assert f"| `{rule.permission_type}` |" in line
        assert all(
            f"`{name}`" in line for name in ([EXTERNAL, GRANTED] if rule.type == mapping._GRANT else [rule.type])
        )
