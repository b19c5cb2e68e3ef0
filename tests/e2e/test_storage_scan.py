"""Sites that pass a threshold are told of, once each, whatever Microsoft Graph makes of the asking."""

import json
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from local.m365.control import GRANTED, RateLimit, Seen, Throttle

from .api import ENDPOINTS
from .conftest import App
from .scanning import EXCEEDED, QUOTA, RECOVERED, Scans, listening, new_site, told
from .test_wire import openssl_signature

REPORT = "/v1.0/reports/getSharePointSiteUsageDetail(period='D7')"
ALL_SITES = "/v1.0/sites/getAllSites"


@pytest.fixture(scope="module")
def scans(app: App) -> Iterator[Scans]:
    """Of the app that most tests share; in the end it is well again, and no site is above a threshold."""
    scans = Scans(app.host, app.api, app.graph)
    scans.use(new_site("quiet"), 10)
    yield scans
    for url in list(app.graph.tenant.sites):
        scans.use(url, 1)
    scans.scanned()
    scans.warns()


def test_a_crossing_arrives_signed_in_both_formats(app: App, scans: Scans) -> None:
    site = new_site()
    scans.use(site, 94)
    with (
        listening(app.api, app.receiver, site) as (point, endpoint),
        listening(app.api, app.receiver, site, format="spscan") as (spscan, _),
    ):
        assert scans.scanned()["exceeded"] == 1
        first, second = point.wait()[0], spscan.wait()[0]
        secret = app.api.call("GET", f"{ENDPOINTS}/{endpoint['id']}/secret").json["secret"]
    body = json.loads(first.body)
    assert body["content"] == {"siteUrl": site, "currentUsage": 940_000, "quota": QUOTA, "threshold": 90}
    assert body["type"] == EXCEEDED
    assert first.key == second.key == body["meta"]["idempotencyKey"]
    assert json.loads(second.body) == {
        "event": EXCEEDED,
        "timestamp": body["meta"]["timeStamp"],
        "tenant": {
            "id": "contoso",
            "display_name": "Contoso",
            "microsoft_tenant_id": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
        },
        "data": {"site_url": site, "current_usage": 940_000, "quota": QUOTA, "threshold": 90},
        "severity": "high",
        "event_id": first.key,
    }
    assert Webhook(secret).verify(first.body, dict(first.headers)) == body
    key = app.api.call("GET", "/v1.0/options").json["webhooksSignatureAuthenticationKey"]
    for received in (first, second):
        assert received.headers["Signature"] == openssl_signature(key, received.body)


def test_up_step_by_step_and_back_and_up_again(app: App, scans: Scans) -> None:
    site = new_site()
    with listening(app.api, app.receiver, site) as (hook, _):
        for percent, expected in (
            (74, []),
            (76, [(EXCEEDED, 75)]),
            (76, []),
            (89, []),
            (100, [(EXCEEDED, 100)]),
            (99, []),
            (97, [(RECOVERED, 100)]),
            (74, []),
            (72, [(RECOVERED, 75)]),
            (91, [(EXCEEDED, 90)]),
        ):
            known = len(hook.received)
            scans.use(site, percent)
            record = scans.scanned()
            assert record["exceeded"] + record["recovered"] == len(expected), percent
            new = hook.wait(known + len(expected))[known:]
            assert told(new) == [(event_type, site, threshold) for event_type, threshold in expected]
        keys = [each.key for each in hook.received]
        assert len(keys) == len(set(keys)) == 5


def test_an_unchanged_tenant_is_told_nothing(app: App, scans: Scans) -> None:
    site = new_site()
    scans.use(site, 80)
    with listening(app.api, app.receiver) as (hook, _):
        scans.scanned()
        hook.wait()
        for _ in range(2):
            record = scans.scanned()
            assert (record["exceeded"], record["recovered"]) == (0, 0)
        assert len(hook.received) == 1


def test_what_the_report_leaves_open_is_counted_and_never_guessed(app: App, scans: Scans) -> None:
    before = scans.scanned()
    gone, empty = new_site("gone"), new_site("empty")
    scans.use(gone, 100, deleted=True)
    scans.use(empty, None)
    with listening(app.api, app.receiver, gone, empty) as (hook, _), scans.behaving(shuffled_columns=True):
        record = scans.scanned()
        assert {name: record[name] - before[name] for name in ("sites", "deleted", "unknown", "exceeded")} == {
            "sites": 2,
            "deleted": 1,
            "unknown": 1,
            "exceeded": 0,
        }
        assert hook.received == []


def test_a_missing_url_is_joined_and_a_subsite_is_not_the_site(app: App, scans: Scans) -> None:
    site = new_site("nameless")
    scans.use(site, 81, url_in_report=False, subsites=("team", "wiki"))
    with listening(app.api, app.receiver, f"{site}*") as (hook, _):
        assert scans.scanned()["unresolved"] == 0
        assert told(hook.wait()) == [(EXCEEDED, site, 75)]
        asked = _asked_for_sites(scans)
        scans.use(site, 93, url_in_report=False)
        scans.scanned()
        assert told(hook.wait(2)[1:]) == [(EXCEEDED, site, 90)]
        assert _asked_for_sites(scans) == asked > 0, "what was joined once is not asked for again"


def _asked_for_sites(scans: Scans) -> int:
    return sum(seen.path == ALL_SITES for seen in scans.graph.requests)


def test_throttling_is_waited_out(app: App, scans: Scans) -> None:
    site = new_site("busy")
    scans.use(site, 77, url_in_report=False)
    known = len(scans.graph.requests)
    with (
        listening(app.api, app.receiver, site) as (hook, _),
        scans.behaving(throttles=[Throttle(REPORT), Throttle(ALL_SITES, status=503)]),
    ):
        scans.scanned()
        assert told(hook.wait()) == [(EXCEEDED, site, 75)]
    refused, report, refused_too, sites = asked_graph(scans, known)
    assert [seen.path for seen in (refused, report, refused_too, sites)] == [REPORT, REPORT, ALL_SITES, ALL_SITES]
    assert report.at_seconds - refused.at_seconds >= 1
    assert sites.at_seconds - refused_too.at_seconds >= 1


def test_a_limit_that_is_nearly_spent_slows_the_scan(scans: Scans) -> None:
    scans.use(new_site("slow"), 77, url_in_report=False)
    known = len(scans.graph.requests)
    with scans.behaving(rate_limit=RateLimit(1200, 0, 1)):
        scans.scanned()
    report, sites = asked_graph(scans, known)
    assert (report.path, sites.path) == (REPORT, ALL_SITES)
    assert sites.at_seconds - report.at_seconds >= 1


def asked_graph(scans: Scans, known: int) -> list[Seen]:
    """What Graph was asked since so many requests had come."""
    return [seen for seen in scans.graph.requests[known:] if seen.origin == "graph"]


def test_the_token_is_for_graph_alone(scans: Scans) -> None:
    scans.scanned()
    authorized = {(seen.origin, seen.authorized) for seen in scans.graph.requests}
    assert authorized == {("graph", True), ("download", False)}


@pytest.mark.parametrize("may_read_settings", [True, False])
def test_concealed_names_publish_nothing_and_are_told_of(app: App, scans: Scans, may_read_settings: bool) -> None:
    site = new_site("concealed")
    scans.use(site, 99)
    permissions = GRANTED if may_read_settings else GRANTED - {"ReportSettings.Read.All"}
    with listening(app.api, app.receiver) as (hook, _):
        with scans.behaving(concealed=True, permissions=permissions):
            record = scans.run()
            assert record["event"] == "storage.names_concealed"
            assert record.get("settingIsOn") is (True if may_read_settings else None)
            scans.warns("conceal site names")
        assert hook.received == []
        scans.scanned()
        assert told(hook.wait()) == [(EXCEEDED, site, 90)]
    scans.warns()


@pytest.mark.parametrize("permission", ["Reports.Read.All", "Sites.Read.All"])
def test_a_missing_permission_is_named(app: App, scans: Scans, permission: str) -> None:
    site = new_site("forbidden")
    scans.use(site, 98, url_in_report=False)
    with listening(app.api, app.receiver, site) as (hook, _):
        with scans.behaving(permissions=GRANTED - {permission}):
            record = scans.run()
            assert record["event"] == "storage.scan_failed"
            assert permission in record["error"]
            scans.warns("the storage scan failed at ")
        assert hook.received == []
        assert scans.scanned()["exceeded"] == 1
        hook.wait()
    scans.warns()


def test_the_sites_nearest_their_limit_are_listed(app: App, scans: Scans) -> None:
    full, fuller = new_site("full"), new_site("fuller")
    scans.use(full, 120)
    scans.use(fuller, 130)
    scans.scanned()
    value = app.api.call("GET", "/v1.0/storage/sites?top=2", roles=["Point.Read"]).json["value"]
    assert [(each["siteUrl"], each["percent"], each["threshold"]) for each in value] == [
        (fuller, 130, 100),
        (full, 120, 100),
    ]
    assert value[0].keys() == {"siteUrl", "currentUsage", "quota", "percent", "threshold", "changedAt"}
    assert (value[0]["currentUsage"], value[0]["quota"]) == (1_300_000, QUOTA)
    above = app.api.call("GET", "/v1.0/storage/sites?above=125").json["value"]
    assert [each["siteUrl"] for each in above] == [fuller]
    changed_at = value[0]["changedAt"]
    scans.use(full, 70)
    scans.scanned()
    value = app.api.call("GET", "/v1.0/storage/sites?top=1").json["value"]
    assert (value[0]["siteUrl"], value[0]["changedAt"]) == (fuller, changed_at)
    app.api.call("GET", "/v1.0/storage/sites", roles=["Point.Publish"], expect=403)


def test_thresholds_of_ones_own(app: App, scans: Scans) -> None:
    absolute, left_alone = new_site("absolute"), new_site("alone")
    usual = app.api.call("GET", "/v1.0/storage/thresholds").json
    assert [each["threshold"] for each in usual["default"]] == [75, 90, 100]
    given = {
        **usual,
        "sites": [
            {"site": f"{absolute[:-2]}*", "thresholds": [{"threshold": "1MB", "severity": "critical"}]},
            {"site": left_alone, "thresholds": []},
        ],
    }
    with listening(app.api, app.receiver, absolute, left_alone, format="spscan") as (hook, _):
        app.api.call("PUT", "/v1.0/storage/thresholds", given)
        try:
            assert app.api.call("GET", "/v1.0/storage/thresholds").json == given
            scans.use(absolute, 110)
            scans.use(left_alone, 110)
            scans.scanned()
            (body,) = [json.loads(each.body) for each in hook.wait()]
            scans.scanned()
        finally:
            app.api.call("PUT", "/v1.0/storage/thresholds", usual)
        assert (body["event"], body["severity"], body["data"]["site_url"]) == (EXCEEDED, "critical", absolute)
        assert body["data"]["threshold_bytes"] == 2**20
        assert "threshold" not in body["data"]
        assert len(hook.received) == 1


@pytest.mark.parametrize(
    ("body", "told_of"),
    [
        ({}, "default"),
        ({"default": [{"threshold": 0, "severity": "high"}]}, "default.0.threshold"),
        ({"default": [{"threshold": 101, "severity": "high"}]}, "such as 90"),
        ({"default": [{"threshold": "500XB", "severity": "high"}]}, "such as 500GB"),
        ({"default": [{"threshold": True, "severity": "high"}]}, "default.0.threshold"),
        ({"default": [{"threshold": 90, "severity": "urgent"}]}, "default.0.severity"),
        ({"default": [{"threshold": 90}]}, "default.0.severity"),
        ({"default": [{"threshold": 90, "severity": "low"}, {"threshold": "90%", "severity": "high"}]}, "twice"),
        ({"default": [], "sites": [{"thresholds": []}]}, "sites.0.site"),
        ({"default": [], "sitez": []}, "sitez"),
        ([], "object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_thresholds_are_refused_with_what_to_change(app: App, body: object, told_of: str) -> None:
    before = app.api.call("GET", "/v1.0/storage/thresholds").json
    problem = app.api.call("PUT", "/v1.0/storage/thresholds", body, expect=400).json
    assert told_of in problem["detail"]
    assert app.api.call("GET", "/v1.0/storage/thresholds").json == before


def test_thresholds_are_an_administrators(app: App) -> None:
    for method, body in (("GET", None), ("PUT", {"default": []})):
        app.api.call(method, "/v1.0/storage/thresholds", body, roles=["Point.Read"], expect=403)
