"""What people share in a tenant is told of, once each, whatever the audit feed makes of the asking."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from doubles.audit_records import DOMAINS
from local.m365.control import Throttle
from local.m365.sharing import Action, records_of
from shared.sharing.mapping import SharingEvent, map_record
from shared.sharing.record import SharingRecord, is_about_sharing, read_record

from .api import ENDPOINTS
from .conftest import App
from .sharing import Polls, listening, new_item, site_of, told
from .test_wire import openssl_signature

EXTERNAL, ANONYMOUS, GRANTED, REVOKED = (
    "external_share_created",
    "anonymous_link_created",
    "granted",
    "revoked",
)
ZOE, LEO = "zoe@fabrikam.example", "leo@contoso.com"


def path_of(item: str) -> str:
    return "/" + item.split("/", 3)[3]


@pytest.fixture(scope="module")
def polls(app: App) -> Iterator[Polls]:
    """Of the app that most tests share; in the end its feed is well again."""
    polls = Polls(app.host, app.api, app.graph.activity)
    polls.polled()
    yield polls
    polls.polled()
    polls.warns()


@pytest.fixture(autouse=True)
def _nothing_was_shared_before(polls: Polls) -> None:
    """What arrived in the last ten minutes is read again by each poll."""
    polls.activity.contents.clear()


def test_a_share_arrives_signed_in_both_formats(app: App, polls: Polls) -> None:
    item = new_item("Plan #1 50%.docx")
    with (
        listening(app.api, app.receiver, item) as (point, endpoint),
        listening(app.api, app.receiver, item, format="spscan") as (spscan, _),
    ):
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
        polls.do("share", item, who=ZOE, level="Edit", at=at)
        assert polls.polled()["published"] == 1
        first, second = point.wait()[0], spscan.wait()[0]
        secret = app.api.call("GET", f"{ENDPOINTS}/{endpoint['id']}/secret").json["secret"]
    body = json.loads(first.body)
    content = body["content"]
    assert (body["type"], first.key) == (f"permission.{EXTERNAL}", f"sharing:{content['auditId']}")
    assert datetime.fromisoformat(body["meta"]["timeStamp"]) == at == datetime.fromisoformat(content["occurredAt"])
    assert content == {
        "siteUrl": site_of(item),
        "resourcePath": path_of(item),
        "permissionType": "SharingLink",
        "principal": ZOE,
        "accessLevel": "Edit",
        "actor": "mia@contoso.com",
        "clientIp": "203.0.113.9",
        "occurredAt": content["occurredAt"],
        "operation": "AddedToSecureLink",
        "itemType": "File",
        "workload": "SharePoint",
        "linkId": content["linkId"],
        "auditId": content["auditId"],
    }
    flat = json.loads(second.body)
    assert (flat["event"], flat["severity"], flat["event_id"]) == (body["type"], "high", first.key)
    assert flat["data"]["resource_path"] == content["resourcePath"]
    assert flat["data"]["principal"] == ZOE
    assert flat["tenant"]["microsoft_tenant_id"] == app.graph.tenant.id
    assert Webhook(secret).verify(first.body, dict(first.headers)) == body
    key = app.api.call("GET", "/v1.0/options").json["webhooksSignatureAuthenticationKey"]
    for received in (first, second):
        assert received.headers["Signature"] == openssl_signature(key, received.body)


def test_one_anonymous_link_makes_one_event(app: App, polls: Polls) -> None:
    item = new_item()
    with listening(app.api, app.receiver, item) as (hook, _):
        polls.do("anonymousLink", item, level="Edit")
        record = polls.polled()
        assert (record["sharing"], record["published"], record["noise"], record["twins"]) == (5, 1, 3, 1)
        assert told(hook.wait()) == [(ANONYMOUS, path_of(item), "AnonymousLink", "Anyone", "Edit")]
        assert polls.polled()["published"] == 0
        assert len(hook.received) == 1


def test_what_people_do_is_told_in_order_of_their_doing_it(app: App, polls: Polls) -> None:
    item = new_item()
    site, path = path_of(site_of(item)), path_of(item)
    with listening(app.api, app.receiver, item) as (hook, _):
        for action in (
            Action("shareDirectly", item, who=ZOE),
            Action("share", item, who=LEO, kind="Member"),
            Action("invite", site_of(item), "Web", "kim@fabrikam.example"),
            Action("shareDirectly", site_of(item), "Web", "pat@fabrikam.example", level="Edit"),
            Action("addMember", site_of(item), "Web", LEO, "Member", "Edit"),
            Action("addAdmin", site_of(item), "Web", LEO, "Member"),
            Action("organizationLink", item),
            Action("createSite", site_of(item), "Web"),
            Action("openFile", item),
            Action("revoke", item, who=ZOE),
            Action("removeAnonymousLink", item),
            Action("removeMember", site_of(item), "Web", LEO, "Member", "Edit"),
        ):
            polls.activity.do(action)
        assert polls.polled()["published"] == 10
        found = told(hook.wait(10))
    direct = {found.pop(found.index(each)) for each in list(found) if each[3] == "pat@fabrikam.example"}
    assert len(direct) == 1, "of twins the first one is told, whichever that is"
    assert found == sorted(
        [
            (EXTERNAL, path, "Direct", ZOE, "View"),
            (GRANTED, path, "SharingLink", LEO, "View"),
            (EXTERNAL, site, "Invitation", "kim@fabrikam.example", "Unknown"),
            (GRANTED, site, "SharePointGroup", LEO, "Edit"),
            (GRANTED, site, "SiteAdmin", LEO, "FullControl"),
            (GRANTED, path, "OrganizationLink", "Organization", "View"),
            (REVOKED, path, "SharingLink", ZOE, "View"),
            (REVOKED, path, "AnonymousLink", "Anyone", "View"),
            (REVOKED, site, "SharePointGroup", LEO, "Edit"),
        ]
    )


def test_records_arrive_as_the_mapping_says_one_by_one(app: App, polls: Polls) -> None:
    item = new_item()
    actions = [
        Action(do, item, who=who)
        for do in ("share", "anonymousLink", "revokeDirectly", "removeAdmin")
        for who in (ZOE, LEO)
    ]
    records = [record for action in actions for record in records_of(action, polls.activity.tenant_id)]
    expected = {}
    for raw in filter(is_about_sharing, records):
        record = read_record(raw)
        assert isinstance(record, SharingRecord)
        event = map_record(record, {*DOMAINS, *app.graph.tenant.domains})
        if isinstance(event, SharingEvent):
            expected[event.key] = (event.type, event.content)
    with listening(app.api, app.receiver, item) as (hook, _):
        for start in range(0, len(records), 7):
            polls.activity.add(records[start : start + 7])
        polls.polled()
        arrived = {each.key: json.loads(each.body) for each in hook.wait(len(expected))}
    assert {key: (body["type"], body["content"]) for key, body in arrived.items()} == expected


def test_what_comes_late_and_again_and_is_listed_twice_is_told_once(app: App, polls: Polls) -> None:
    item, late = new_item(), new_item()
    with listening(app.api, app.receiver, item, late) as (hook, _), polls.behaving(twice=True, page_size=2):
        records = records_of(Action("share", item), polls.activity.tenant_id)
        yesterday = datetime.now(UTC) - timedelta(hours=20)
        for _ in range(3):
            polls.activity.add(records)
            polls.activity.add(records, yesterday)
        days_ago = datetime.now(UTC) - timedelta(days=5)
        polls.do("anonymousLink", late, at=days_ago)
        assert polls.polled()["published"] == 2
        assert polls.polled()["published"] == 0
        assert {site_of(item), site_of(late)} == {json.loads(each.body)["content"]["siteUrl"] for each in hook.wait(2)}
        old = next(json.loads(each.body) for each in hook.received if site_of(late) in each.body.decode())
        assert datetime.fromisoformat(old["meta"]["timeStamp"]) == days_ago.replace(microsecond=0)


def test_what_is_delayed_or_grows_is_told_when_it_is_there(app: App, polls: Polls) -> None:
    item, growing = new_item(), new_item()
    with listening(app.api, app.receiver, item, growing) as (hook, _):
        with polls.behaving(delay_seconds=3600):
            polls.do("anonymousLink", item)
            assert polls.polled()["published"] == 0
        first, second = (records_of(Action("share", growing, who=who), polls.activity.tenant_id) for who in (ZOE, LEO))
        with polls.behaving(half_seconds=3600):
            polls.activity.add([*first, *second])
            assert polls.polled()["published"] == 1
        hook.wait(1)
        for content in polls.activity.contents.values():
            content.created_at = datetime.now(UTC)  # what was delayed has come
        assert polls.polled()["published"] == 2
        assert len({each.key for each in hook.wait(3)}) == 3


@pytest.mark.parametrize("status", [403, 429])
def test_throttling_is_waited_out_and_told(app: App, polls: Polls, status: int) -> None:
    item = new_item()
    with listening(app.api, app.receiver, item) as (hook, _):
        polls.do("share", item)
        throttle = Throttle("/audit/", 1, status, retry_after_seconds=1)  # type: ignore[arg-type]
        with polls.behaving(throttles=[throttle]):
            assert polls.run()["complete"] is False
            polls.warns("asks too often")
            assert polls.after_the_pause()["published"] == 1
        assert told(hook.wait()) == [(EXTERNAL, path_of(item), "SharingLink", ZOE, "View")]
    polls.warns()


def test_a_missing_permission_is_named_and_nothing_is_lost_by_it(app: App, polls: Polls) -> None:
    item = new_item()
    with listening(app.api, app.receiver, item) as (hook, _):
        polls.do("share", item)
        with polls.behaving(permitted=False):
            assert polls.run()["complete"] is False
            line = polls.host.found("sharing.poll_failed", problem="permission")[-1]
            assert "ActivityFeed.Read" in line["error"]
            polls.warns("Grant it ActivityFeed.Read")
        assert polls.polled()["published"] == 1
        hook.wait()
    polls.warns()


def test_a_content_that_cannot_be_read_is_tried_again(app: App, polls: Polls) -> None:
    item = new_item()
    with listening(app.api, app.receiver, item) as (hook, _):
        polls.do("share", item)
        with polls.behaving(lost=True):
            record = polls.polled()
            assert (record["failed"], record["published"]) == (1, 0)
        assert polls.polled()["published"] == 1
        hook.wait()
    polls.warns()


def test_the_token_and_the_quota_are_the_tenants_own(app: App, polls: Polls) -> None:
    polls.polled()
    assert {path.split("/")[3] for _, path in polls.activity.asked} == {polls.activity.tenant_id}
    assert all(publisher == polls.activity.tenant_id for publisher in polls.activity.publishers)
