"""The Graph stand-in: the shapes of its answers, the faults that it plays on request, and its control API."""

import asyncio
import csv
import io
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import aiohttp
import pytest
from yarl import URL

from doubles.memory import traced_peak
from local.m365.control import GRANTED, Behaviour, RateLimit, Throttle
from local.m365.graph import GraphStandIn, serving_graph
from local.m365.tenant import COLUMNS, DEFAULT_QUOTA_BYTES, NO_ID, Crowd, Site, Tenant, report

HR = "https://contoso.sharepoint.com/sites/hr"
REPORT = "/v1.0/reports/getSharePointSiteUsageDetail(period='D7')"
SITES = "/v1.0/sites/getAllSites?$select=id,webUrl&$top=999"
DRIVE = "/v1.0/sites/contoso.sharepoint.com:/sites/hr:/drive?$select=quota"


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes
    json: Any


@dataclass
class Scene:
    """A running stand-in, and a caller with its token."""

    graph: GraphStandIn
    base: str
    session: aiohttp.ClientSession

    async def call(
        self, path: str, method: str = "GET", *, token: str | None = None, content_type: str = "", **more: Any
    ) -> Answer:
        given = self.graph.token if token is None else token
        headers = {"Authorization": f"Bearer {given}"} if given else {}
        headers |= {"Content-Type": content_type} if content_type else {}
        url = URL(path if path.startswith("http") else self.base + path, encoded=True)
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **more) as answer:
            body = await answer.read()
            found = await answer.json() if answer.content_type == "application/json" else None
            return Answer(answer.status, answer.headers, body, found)

    async def report(self) -> list[dict[str, str]]:
        """Its rows, fetched from the second origin without the token."""
        link = (await self.call(REPORT)).headers["Location"]
        answer = await self.call(link, token="")
        assert answer.status == 200
        return list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"), newline="")))


def play(scene: Callable[[Scene], Awaitable[None]], *sites: Site) -> None:
    async def run() -> None:
        graph = GraphStandIn(Tenant(sites={site.url: site for site in sites}))
        async with serving_graph(graph) as base, aiohttp.ClientSession() as session:
            await scene(Scene(graph, base, session))

    asyncio.run(run())


def test_the_report_is_at_a_second_origin_that_refuses_the_token() -> None:
    async def scene(at: Scene) -> None:
        answer = await at.call(REPORT)
        link = answer.headers["Location"]
        assert answer.status == 302
        assert URL(link).origin() != URL(at.base).origin()
        assert (await at.call(link)).status == 400
        assert (await at.call(link, token="")).status == 200
        assert [(it.origin, it.authorized) for it in at.graph.requests] == [
            ("graph", True),
            ("download", True),
            ("download", False),
        ]

    play(scene)


def test_the_reports_address_expires() -> None:
    async def scene(at: Scene) -> None:
        at.graph.behaviour = Behaviour(link_seconds=0)
        link = (await at.call(REPORT)).headers["Location"]
        assert (await at.call(link, token="")).status == 403
        assert (await at.call(link[:-3] + "abc", token="")).status == 403

    play(scene)


def test_the_report_has_the_faults_of_the_real_one() -> None:
    async def scene(at: Scene) -> None:
        link = (await at.call(REPORT)).headers["Location"]
        raw = (await at.call(link, token="")).body
        assert raw.startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\n")
        nameless, empty, gone = await at.report()
        two_days_ago = (datetime.now(UTC) - timedelta(days=2)).date()
        assert abs(date.fromisoformat(nameless["Report Refresh Date"]) - two_days_ago) <= timedelta(days=1)
        assert (nameless["Site URL"], nameless["Storage Used (Byte)"]) == ("", "5")
        assert nameless["Owner Display Name"] == 'Müller, "Söhne"'
        assert nameless["Storage Allocated (Byte)"] == "27487790694400"
        assert (empty["Site URL"], empty["Storage Used (Byte)"]) == (f"{HR}2", "")
        assert (gone["Is Deleted"], empty["Is Deleted"]) == ("True", "False")

    play(
        scene,
        Site(HR, 5, owner='Müller, "Söhne"', url_in_report=False),
        Site(f"{HR}2", None),
        Site(f"{HR}3", 1, deleted=True),
    )


def test_its_columns_can_come_in_another_order() -> None:
    async def scene(at: Scene) -> None:
        usual = await at.report()
        at.graph.behaviour = Behaviour(shuffled_columns=True, byte_order_mark=False)
        shuffled = await at.report()
        assert shuffled == usual
        assert list(shuffled[0]) != list(usual[0])
        link = (await at.call(REPORT)).headers["Location"]
        assert not (await at.call(link, token="")).body.startswith(b"\xef\xbb\xbf")

    play(scene, Site(HR, 5))


def test_concealed_names_are_gone_and_admitted() -> None:
    async def scene(at: Scene) -> None:
        assert (await at.call("/v1.0/admin/reportSettings")).json == {"displayConcealedNames": False}
        at.graph.behaviour = Behaviour(concealed=True)
        assert (await at.call("/v1.0/admin/reportSettings")).json == {"displayConcealedNames": True}
        (row,) = await at.report()
        assert (row["Site Id"], row["Site URL"], row["Storage Used (Byte)"]) == (NO_ID, "", "5")
        assert "HR" not in row["Owner Display Name"]

    play(scene, Site(HR, 5, owner="HR Owners"))


def test_the_report_can_break_off() -> None:
    async def scene(at: Scene) -> None:
        at.graph.behaviour = Behaviour(cut_after_pieces=1)
        link = (await at.call(REPORT)).headers["Location"]
        with pytest.raises(aiohttp.ClientPayloadError):
            await at.call(link, token="")

    play(scene, Site(HR, 5))


def test_all_sites_are_listed_page_by_page() -> None:
    async def scene(at: Scene) -> None:
        at.graph.tenant.crowd = Crowd(25)
        path, pages = "/v1.0/sites/getAllSites?$select=id,webUrl&$top=10", []
        while path:
            answer = (await at.call(path)).json
            pages.append(answer["value"])
            path = answer.get("@odata.nextLink", "")
            assert not path or "$select=id" in path
        assert [len(page) for page in pages] == [10, 10, 8]
        found = {web["webUrl"]: web["id"].split(",") for page in pages for web in page}
        assert len(found) == 28
        assert f"{HR}-gone" not in found
        site = at.graph.tenant.sites[HR]
        assert [found[HR + name][1] for name in ("", "/team", "/wiki")] == [site.id] * 3
        assert len({found[HR + name][2] for name in ("", "/team", "/wiki")}) == 3
        assert found[HR][0] == "contoso.sharepoint.com"
        rows = {row["Site Id"]: row["Site URL"] for row in await at.report()}
        assert all(rows[found[url][1]] in ("", url) for url in found if "crowd" in url)

    play(scene, Site(HR, 5, subsites=("team", "wiki")), Site(f"{HR}-gone", deleted=True))


@pytest.mark.parametrize(
    ("used", "state"),
    [(8999, "normal"), (9001, "nearing"), (9901, "critical"), (10000, "exceeded"), (12000, "exceeded")],
)
def test_a_drive_tells_its_live_quota(used: int, state: str) -> None:
    async def scene(at: Scene) -> None:
        site = at.graph.tenant.sites[HR]
        for path in (DRIVE, f"/v1.0/sites/contoso.sharepoint.com,{site.id},{uuid.uuid4()}/drive"):
            assert (await at.call(path)).json["quota"] == {
                "total": 10000,
                "used": used,
                "remaining": max(0, 10000 - used),
                "deleted": 0,
                "state": state,
            }
        missing = await at.call("/v1.0/sites/contoso.sharepoint.com:/sites/nobody:/drive")
        assert (missing.status, missing.json["error"]["code"]) == (404, "itemNotFound")

    play(scene, Site(HR, 5, quota_bytes=10000, live_used_bytes=used))


def test_without_the_right_token_there_is_no_answer() -> None:
    async def scene(at: Scene) -> None:
        for token in ("", "another", at.graph.token.swapcase()):
            refused = await at.call(SITES, token=token)
            assert (refused.status, refused.json["error"]["code"]) == (401, "InvalidAuthenticationToken")
            assert "WWW-Authenticate" in refused.headers
            assert refused.json["error"]["innerError"]["request-id"] == refused.headers["request-id"]

    play(scene)


@pytest.mark.parametrize(
    ("permission", "path", "code"),
    [
        ("Reports.Read.All", REPORT, "S2SUnauthorized"),
        ("Sites.Read.All", SITES, "Authorization_RequestDenied"),
        ("Sites.Read.All", DRIVE, "Authorization_RequestDenied"),
        ("ReportSettings.Read.All", "/v1.0/admin/reportSettings", "Authorization_RequestDenied"),
        ("Organization.Read.All", "/v1.0/organization", "Authorization_RequestDenied"),
    ],
)
def test_a_permission_that_is_not_granted_is_missed(permission: str, path: str, code: str) -> None:
    async def scene(at: Scene) -> None:
        at.graph.behaviour = Behaviour(permissions=GRANTED - {permission})
        refused = await at.call(path)
        assert (refused.status, refused.json["error"]["code"]) == (403, code)
        at.graph.behaviour = Behaviour(permissions=GRANTED | {permission})
        assert (await at.call(path)).status in (200, 302)

    play(scene, Site(HR, 5))


SEND = "/v1.0/users/alerts@contoso.com/sendMail"
MAIL: dict[str, Any] = {
    "message": {
        "subject": "S",
        "body": {"contentType": "HTML", "content": "<p>x</p>"},
        "toRecipients": [{"emailAddress": {"address": "it@contoso.com"}}],
    },
    "saveToSentItems": False,
}


def test_mails_are_kept_and_shown() -> None:
    async def scene(at: Scene) -> None:
        sent = await at.call(SEND, "POST", json=MAIL)
        assert (sent.status, sent.body) == (202, b"")
        [mail] = (await at.call("/mails")).json["value"]
        assert (mail["from"], mail["subject"]) == ("alerts@contoso.com", "S")
        assert (await at.call("/mails", "DELETE")).status == 204
        assert (await at.call("/mails")).json == {"value": []}

    play(scene)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (SEND.replace("contoso", "fabrikam"), MAIL, 404, "ErrorInvalidUser"),
        (SEND, {"message": {**MAIL["message"], "toRecipients": []}}, 400, "ErrorInvalidRecipients"),
        (SEND, {"message": {**MAIL["message"], "to": "it@contoso.com"}}, 400, "RequestBodyRead"),
        (SEND, {"subject": "S"}, 400, "RequestBodyRead"),
        (SEND, {"message": {**MAIL["message"], "subject": "x" * 4 * 1024 * 1024}}, 413, "RequestEntityTooLarge"),
        (
            SEND,
            {"message": {**MAIL["message"], "internetMessageHeaders": [{"name": "Bcc", "value": "x"}]}},
            400,
            "InvalidInternetMessageHeader",
        ),
    ],
)
def test_a_mail_that_graph_would_refuse_is_refused(path: str, body: Any, status: int, code: str) -> None:
    async def scene(at: Scene) -> None:
        sent = io.BytesIO(json.dumps(body).encode())
        refused = await at.call(path, "POST", data=sent, content_type="application/json")
        assert (refused.status, refused.json["error"]["code"]) == (status, code)
        at.graph.behaviour = Behaviour(permissions=GRANTED - {"Mail.Send"})
        denied = await at.call(SEND, "POST", json=MAIL)
        assert (denied.status, denied.json["error"]["code"]) == (403, "ErrorAccessDenied")
        assert (await at.call("/mails")).json == {"value": []}

    play(scene)


def test_it_throttles_so_many_times_after_so_many() -> None:
    async def scene(at: Scene) -> None:
        at.graph.behaviour = Behaviour(
            throttles=[
                Throttle("/drive", times=1, after=1, retry_after_seconds=7),
                Throttle("getAllSites", times=1, status=503, retry_after_seconds=None),
            ]
        )
        answers = [await at.call(DRIVE) for _ in range(3)]
        assert [it.status for it in answers] == [200, 429, 200]
        assert (answers[1].headers["Retry-After"], answers[1].json["error"]["code"]) == ("7", "activityLimitReached")
        busy = await at.call(SITES)
        assert (busy.status, busy.headers.get("Retry-After")) == (503, None)
        assert (await at.call(SITES)).status == 200

    play(scene, Site(HR, 5))


def test_it_tells_of_its_limits_in_every_answer() -> None:
    async def scene(at: Scene) -> None:
        at.graph.behaviour = Behaviour(rate_limit=RateLimit(1200, 120, 31))
        headers = (await at.call(SITES)).headers
        found = [headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
        assert found == ["1200", "120", "31"]

    play(scene)


@pytest.mark.parametrize("path", ["/v1.0/nothing", "/v1.0/reports/getSharePointSiteUsageDetail(period='D8')"])
def test_an_unknown_call_is_refused_as_graph_does(path: str) -> None:
    async def scene(at: Scene) -> None:
        refused = await at.call(path)
        assert (refused.status, refused.json["error"]["code"]) == (400, "BadRequest")

    play(scene)


def test_sites_are_changed_while_it_runs() -> None:
    async def scene(at: Scene) -> None:
        changes = [{"url": HR, "usedBytes": 7}, {"url": f"{HR}2", "usedBytes": None, "deleted": True}]
        answer = await at.call("/sites", "PATCH", json=changes, token="")
        assert answer.status == 200
        assert at.graph.tenant.sites[HR] == Site(HR, 7, quota_bytes=10, owner="HR")
        assert [row["Storage Used (Byte)"] for row in await at.report()] == ["7", ""]
        assert (await at.call("/sites", token="")).json == answer.json
        again = await at.call("/sites", "PUT", json=answer.json[:1], token="")
        assert [site["url"] for site in again.json] == [HR]
        await at.call("/crowd", "PUT", json={"sites": 3}, token="")
        assert len(await at.report()) == 4

    play(scene, Site(HR, 5, quota_bytes=10, owner="HR"))


def test_its_behaviour_is_changed_while_it_runs() -> None:
    async def scene(at: Scene) -> None:
        bad = {"concealed": True, "throttles": [{"path": "/drive", "retryAfterSeconds": 3}]}
        answer = await at.call("/behaviour", "PUT", json=bad, token="")
        assert answer.json["throttles"][0] | {"times": 1, "status": 429} == answer.json["throttles"][0]
        assert (await at.call(DRIVE)).headers["Retry-After"] == "3"
        assert (await at.call("/v1.0/admin/reportSettings")).json["displayConcealedNames"] is True
        await at.call("/behaviour", "PUT", json={}, token="")
        assert at.graph.behaviour == Behaviour()
        seen = (await at.call("/requests", token="")).json
        assert [it["path"].rpartition("/")[2] for it in seen] == ["drive", "reportSettings"]

    play(scene)


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("PUT", "/sites", [{"url": HR, "usedBites": 1}], "0.usedBites: is not known here"),
        ("PATCH", "/sites", [{"usedBytes": 1}], "0.url: is required"),
        ("PATCH", "/sites", {"url": HR}, "must be a list"),
        ("PUT", "/behaviour", {"throttles": [{"status": 500}]}, "throttles.0.status: must be one of 403, 429, 503"),
        ("PUT", "/crowd", {"sites": -1}, "sites: must be at least 0"),
    ],
)
def test_what_it_cannot_take_changes_nothing(method: str, path: str, body: Any, told: str) -> None:
    async def scene(at: Scene) -> None:
        answer = await at.call(path, method, json=body, token="")
        assert answer.status == 400
        assert told in answer.body.decode()
        assert (at.graph.tenant.sites, at.graph.behaviour) == ({HR: Site(HR, 5)}, Behaviour())

    play(scene, Site(HR, 5))


def test_a_crowd_is_the_same_each_time_and_so_many_are_near() -> None:
    def rows(crowd: Crowd) -> list[tuple[str, ...]]:
        return list(crowd.rows("2026-11-20"))

    used, deleted = COLUMNS.index("Storage Used (Byte)"), COLUMNS.index("Is Deleted")
    found = rows(Crowd(3000, 7))
    assert found == rows(Crowd(3000, 7))
    assert found != rows(Crowd(3000, 7, seed=8))
    shares = [int(row[used]) / DEFAULT_QUOTA_BYTES for row in found if row[used] and row[deleted] == "False"]
    assert sum(share > 0.74 for share in shares) == 7
    assert all(share < 0.6 or share > 0.74 for share in shares)
    assert len({row[1] for row in found}) == 3000
    assert {"True", "False"} == {row[deleted] for row in found}
    assert any(not row[used] for row in found)
    assert 900 < sum(not row[2] for row in found) <= 1000


def the_beginning_of_a_large_report() -> None:
    pieces = report(
        Tenant(crowd=Crowd(1_000_000, 1000)), date(2026, 11, 20), concealed=False, shuffled=False, byte_order_mark=True
    )
    assert sum(len(piece) for piece in islice(pieces, 21)) > 3_000_000


def test_a_large_report_is_never_held_in_memory() -> None:
    assert traced_peak(the_beginning_of_a_large_report) < 1_500_000
