"""What a scan does with a tenant that is not as it should be, and what it tells."""

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from doubles.simulated_tenant import GB, QUOTA, FakeGraph, Tenant, a_row, site_id, site_url, told
from doubles.storage_account import Crash
from shared.app import App
from shared.delivery.publisher import publish
from shared.m365.client import GraphFailed, Refused
from shared.model import Event
from shared.model.thresholds import Override, Thresholds, read_thresholds
from shared.storage.clients import StorageUnavailable
from shared.storage.sites import SiteRow, Sites
from shared.usage.graph import LiveUsage
from shared.usage.report import CONCEALED_ID
from shared.usage.scan import LIMIT, scan

REFUSED = Refused("Microsoft Graph refused the live usage of a site (403): grant Sites.Read.All")


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    found = [json.loads(record.message) for record in caplog.records if record.message.startswith("{")]
    return [line for line in found if line["event"] == name]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_an_event_says_all_there_is_to_say_and_fits_the_catalogue() -> None:
    tenant = Tenant(settings={"STORAGE_THRESHOLDS": "90:critical,87.5:high,500GB:low"})
    [event] = tenant.scan(a_row(1, 88))
    assert json.loads(event.content) == {
        "siteUrl": site_url(1),
        "currentUsage": 880 * GB,
        "quota": QUOTA,
        "threshold": 87.5,
    }
    assert (event.type, event.severity, event.time_stamp) == (
        "storage.threshold_exceeded",
        "high",
        "2026-11-19T10:00:00.000Z",
    )
    assert event.key == f"storage:{site_id(1)}:87_5:1795082400"
    assert event.tenant is not None
    assert event.tenant.id == "contoso"
    [event] = tenant.scan(a_row(1, 80))
    assert (event.type, event.severity, event.key[-1]) == ("storage.threshold_recovered", "low", "1")


def test_a_size_is_told_in_bytes() -> None:
    [event] = Tenant(settings={"STORAGE_THRESHOLDS": "500GB:low"}).scan(a_row(1, 50))
    assert json.loads(event.content)["thresholdBytes"] == 500 * GB
    assert "threshold" not in json.loads(event.content)


def test_thresholds_that_were_put_hold_instead_of_the_settings() -> None:
    tenant = Tenant()
    strict = Override(site="*/sites/s1", thresholds=read_thresholds("10:high"))
    tenant.app.sites.write_thresholds(Thresholds(default=read_thresholds("95:high"), sites=(strict,)))
    assert told(tenant.scan(a_row(1, 11), a_row(2, 94), a_row(3, 9))) == [("exceeded", "1", 10)]


def test_a_scan_tells_what_it_saw(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant()
    tenant.scan(a_row(1, 95), a_row(2, 72), a_row(3, 1), a_row(4, None), a_row(5, 99, deleted=True))
    [line] = lines(caplog, "storage.scanned")
    assert line.pop("seconds") >= 0
    expected = {"sites": 5, "kept": 2, "exceeded": 1, "recovered": 0, "unknown": 1, "unresolved": 0, "deleted": 1}
    assert line == {"event": "storage.scanned", **expected, "reportDate": "2026-11-17"}
    near = {"currentUsage": 950 * GB, "quota": QUOTA}
    assert lines(caplog, "storage.site_near_limit") == [
        {"event": "storage.site_near_limit", "siteUrl": site_url(1), "percent": 95.0, "threshold": 90, **near},
        {
            "event": "storage.site_near_limit",
            "siteUrl": site_url(2),
            "percent": 72.0,
            "currentUsage": 720 * GB,
            "quota": QUOTA,
        },
    ]
    caplog.clear()
    tenant.scan(*(a_row(number, 80) for number in range(10, 70)))
    assert len(lines(caplog, "storage.site_near_limit")) == 50


def test_rows_that_cannot_be_told_are_warned_of_and_the_others_watched(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant()
    damaged = a_row(1, 95).replace("Owners", '"Bob, of HR')
    assert told(tenant.scan(damaged, a_row(2, 95))) == [("exceeded", "2", 90)]
    [line] = lines(caplog, "storage.rows_damaged")
    assert (line["rows"], line["meaning"]) == (1, "their sites are not watched")
    assert lines(caplog, "storage.scanned")[0]["unknown"] == 1


def test_concealed_names_are_told_and_nothing_is_guessed(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant()
    tenant.scan(a_row(1, 95))
    caplog.clear()
    graph = FakeGraph([a_row(number, 99, id=CONCEALED_ID, url="39C4879F5AD5") for number in range(3)])
    graph.concealing = True
    tenant.account.writes.clear()
    assert tenant.scan(graph=graph) == []
    assert lines(caplog, "storage.names_concealed") == [
        {"event": "storage.names_concealed", "sites": 3, "settingIsOn": True}
    ]
    assert set(tenant.account.writes) == {("sites", "state")}, "no site counts as gone"
    assert tenant.app.sites.state().names_concealed
    graph.concealing = GraphFailed("not granted")
    tenant.scan(graph=graph)
    assert lines(caplog, "storage.names_concealed")[1] == {"event": "storage.names_concealed", "sites": 3}
    tenant.scan(a_row(1, 95))
    assert not tenant.app.sites.state().names_concealed


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (GraphFailed("Microsoft Graph refused: grant Reports.Read.All"), "grant Reports.Read.All"),
        (StorageUnavailable("inserting into sites: storage answered 500"), "storage answered 500"),
        (OSError(28, "No space left on device"), "temporary file (No space left on device)"),
    ],
    ids=["graph", "storage", "disk"],
)
def test_a_scan_that_fails_is_a_line_a_state_and_a_next_try(
    caplog: pytest.LogCaptureFixture, error: Exception, says: str
) -> None:
    class Failing(FakeGraph):
        def download_usage(self, to: Any) -> None:
            raise error

    tenant = Tenant()
    assert tenant.scan(graph=Failing([])) == []
    [line] = lines(caplog, "storage.scan_failed")
    assert says in line["error"]
    assert caplog.records[-1].levelno == logging.ERROR
    assert tenant.app.sites.state().has_failed
    assert tenant.scan(a_row(1, 95))
    assert not tenant.app.sites.state().has_failed
    assert tenant.app.sites.state().last_failure_at is not None


def test_what_nobody_expected_is_told_and_left_to_the_host(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeGraph):
        def download_usage(self, to: Any) -> None:
            raise KeyError("secret")

    tenant = Tenant()
    with pytest.raises(KeyError):
        tenant.scan(graph=Broken([]))
    [line] = lines(caplog, "storage.scan_failed")
    assert "KeyError" in line["error"]
    assert "secret" not in line["error"]


def test_a_report_that_cannot_be_read_leaves_everything_as_it_was() -> None:
    tenant = Tenant()
    tenant.scan(a_row(1, 95))
    tenant.account.writes.clear()
    assert tenant.scan() == []
    assert tenant.scan(graph=FakeGraph([a_row(1, 60)], header="something,else")) == []
    assert set(tenant.account.writes) == {("sites", "state")}


def test_pending_events_are_published_even_while_graph_is_down() -> None:
    tenant = Tenant()

    def kill_at_publish(app: App, event: Event) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.usage.crossings.publish_own", kill_at_publish)
        with pytest.raises(Crash):
            tenant.scan(a_row(1, 95))
    assert tenant.events() == []
    assert told(tenant.scan(graph=FakeGraph([], header="broken"))) == [("exceeded", "1", 90)]


def test_events_left_pending_for_weeks_are_published_once() -> None:
    tenant = Tenant()

    def kill_at_mark(sites: Sites, site_id: str, row: SiteRow, etag: str) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sites, "replace", kill_at_mark)
        with pytest.raises(Crash):
            tenant.scan(a_row(1, 95))
    assert told(tenant.events()) == [("exceeded", "1", 90)], "published, but nobody knows it"
    tenant.account.queues.clear()
    tenant.now += timedelta(days=10)
    assert tenant.scan(a_row(1, 95)) == []
    assert len(tenant.events()) == 1
    assert tenant.queued() == {tenant.events()[0].key}, "what was not attempted is put again"


def test_a_key_that_somebody_took_is_told_and_does_not_stop_the_scan(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant()
    [event] = Tenant().scan(a_row(1, 95))
    publish(tenant.app, [event.model_copy(update={"type": "custom.other"})])
    assert told(tenant.scan(a_row(1, 95), a_row(2, 95))) == [("exceeded", "2", 90)]
    assert [line["idempotencyKey"] for line in lines(caplog, "event.key_taken")] == [event.key]
    assert not any(site.value.pending for site in tenant.app.sites.all().values())


def test_a_site_that_is_gone_is_forgotten_after_the_retention_period() -> None:
    tenant = Tenant()
    [first] = tenant.scan(a_row(1, 95), a_row(2, 1))
    tenant.scan(a_row(1, 95, deleted=True), a_row(2, 1))
    stored = tenant.app.sites.get(site_id(1))
    assert stored is not None
    assert stored.value.missing_since == tenant.now
    tenant.account.writes.clear()
    tenant.now += timedelta(days=30)
    tenant.scan(a_row(2, 1))
    assert set(tenant.account.writes) == {("sites", "state")}, "it is noted once"
    tenant.now += timedelta(seconds=1)
    tenant.scan(a_row(2, 1))
    assert tenant.app.sites.get(site_id(1)) is None
    [again] = tenant.scan(a_row(1, 95))
    assert again.key != first.key


def test_a_site_that_returns_in_time_goes_on_where_it_was() -> None:
    tenant = Tenant()
    tenant.scan(a_row(1, 95))
    tenant.scan(a_row(2, 1))
    assert tenant.scan(a_row(1, 95)) == []
    stored = tenant.app.sites.get(site_id(1))
    assert stored is not None
    assert stored.value.missing_since is None
    assert told(tenant.scan(a_row(1, None), a_row(2, 1))) == [], "there, though nobody knows with how much"
    assert tenant.scan(a_row(1, 95)) == []


def test_a_recovered_site_is_forgotten_after_the_retention_period() -> None:
    tenant = Tenant()
    tenant.scan(a_row(1, 95))
    tenant.scan(a_row(1, 10))
    tenant.now += timedelta(days=30)
    tenant.scan(a_row(1, 10))
    assert tenant.app.sites.get(site_id(1)) is not None
    tenant.now += timedelta(seconds=1)
    tenant.scan(a_row(1, 10))
    assert tenant.app.sites.get(site_id(1)) is None


def nameless(*numbers: int, percent: float = 95) -> FakeGraph:
    graph = FakeGraph([a_row(number, percent, named=False) for number in numbers])
    graph.listed = [[(site_id(number), site_url(number)) for number in range(start, start + 3)] for start in (0, 3, 6)]
    return graph


def test_urls_that_the_report_leaves_out_are_joined_and_kept() -> None:
    tenant = Tenant()
    graph = nameless(1, 4)
    assert told(tenant.scan(graph=graph)) == [("exceeded", "1", 90), ("exceeded", "4", 90)]
    assert graph.pages_asked == [None, "1"], "it stops when all are found"
    graph = nameless(1, 4)
    tenant.account.writes.clear()
    assert tenant.scan(graph=graph) == []
    assert graph.pages_asked == []
    assert set(tenant.account.writes) == {("sites", "state")}


def test_near_sites_that_cross_nothing_cost_no_walk_at_every_scan() -> None:
    tenant = Tenant()
    tenant.scan(graph=nameless(1, percent=72))
    graph = nameless(1, percent=72)
    tenant.scan(graph=graph)
    assert graph.pages_asked == []
    assert [line.url for line in tenant.app.sites.listing().value] == [site_url(1)]


def test_an_id_that_graph_does_not_list_is_counted_and_asked_for_again_after_a_week(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tenant = Tenant()
    assert told(tenant.scan(graph=nameless(1, 99))) == [("exceeded", "1", 90)]
    assert lines(caplog, "storage.scanned")[-1]["unresolved"] == 1
    graph = nameless(1, 99)
    tenant.scan(graph=graph)
    assert graph.pages_asked == []
    assert lines(caplog, "storage.scanned")[-1]["unresolved"] == 1
    tenant.now += timedelta(days=7, seconds=1)
    graph = nameless(1, 99)
    graph.listed[2].append((site_id(99), site_url(99)))
    assert told(tenant.scan(graph=graph)) == [("exceeded", "99", 90)]


def test_a_walk_that_has_no_more_time_goes_on_in_the_next_scan() -> None:
    tenant = Tenant()
    for pages, events in ([None], ["1"]), (["1"], ["4"]), (["2"], ["7"]):
        graph = nameless(1, 4, 7, 99)
        graph.seconds_left = 60
        assert [site for _, site, _ in told(tenant.scan(graph=graph))] == events
        assert graph.pages_asked == pages
    graph = nameless(1, 4, 7, 99)
    tenant.scan(graph=graph)
    assert graph.pages_asked == [], "the walk came to its end and 99 is not listed"
    graph = nameless(1, 4, 7, 99, 2)
    assert [site for _, site, _ in told(tenant.scan(graph=graph))] == ["2"]
    assert graph.pages_asked == [None]


def test_a_walk_whose_place_is_no_longer_known_begins_anew() -> None:
    class Forgetful(FakeGraph):
        def site_page(self, at: str | None) -> Any:
            if at == "1" and not self.pages_asked:
                self.pages_asked.append("refused")
                raise Refused("Microsoft Graph answered 400 (invalidRequest) to the list of sites")
            return super().site_page(at)

    tenant = Tenant()
    graph = nameless(4)
    graph.seconds_left = 60
    tenant.scan(graph=graph)
    forgetful = Forgetful([a_row(4, 95, named=False)])
    forgetful.listed = graph.listed
    assert told(tenant.scan(graph=forgetful)) == [("exceeded", "4", 90)]
    assert forgetful.pages_asked == ["refused", None, "1"]


def test_a_list_that_leads_back_to_itself_is_walked_once(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant()
    for _ in range(2):
        graph = nameless(4, 99)
        graph.circles = True
        tenant.scan(graph=graph)
        assert graph.pages_asked == [None, *map(str, range(1, len(graph.listed)))]
        assert lines(caplog, "storage.site_list_circles")[-1]["pages"] == len(graph.listed)
    assert [site for _, site, _ in told(tenant.scan(graph=nameless(4, 99)))] == [], "4 was found and told before"
    graph = nameless(4, 99)
    tenant.scan(graph=graph)
    assert graph.pages_asked == [], "a list without a circle has settled that 99 is not there"


def test_a_subsite_is_not_taken_for_its_site() -> None:
    tenant = Tenant()
    graph = nameless(1)
    graph.listed[0] = [(site_id(1), f"{site_url(1)}/payroll")]
    graph.listed[1] = [(site_id(1), site_url(1))]
    [event] = tenant.scan(graph=graph)
    assert json.loads(event.content)["siteUrl"] == site_url(1)


def test_what_the_report_names_needs_no_list_of_sites() -> None:
    graph = FakeGraph([a_row(1, 95), a_row(2, 1, named=False)])
    assert told(Tenant().scan(graph=graph)) == [("exceeded", "1", 90)]
    assert graph.pages_asked == []


def confirming(live: dict[int, float | GraphFailed | None], **percents: float) -> FakeGraph:
    graph = FakeGraph([a_row(int(name[1:]), percent) for name, percent in percents.items()])
    for number, percent in live.items():
        if percent is None or isinstance(percent, GraphFailed):
            graph.live[site_url(number)] = percent
        else:
            graph.live[site_url(number)] = LiveUsage(round(QUOTA * percent / 100), QUOTA)
    return graph


CONFIRMING = {"STORAGE_CONFIRM_CROSSINGS": "true"}


def test_only_what_live_usage_confirms_is_published_and_with_its_figures(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant(settings=CONFIRMING)
    graph = confirming({1: 96, 2: 60, 3: 80}, s1=91, s2=91, s3=91, s4=72)
    events = tenant.scan(graph=graph)
    assert told(events) == [("exceeded", "1", 90), ("exceeded", "3", 75)]
    assert json.loads(events[0].content)["currentUsage"] == 960 * GB
    assert graph.live_asked == [site_url(number) for number in (1, 2, 3)], "only crossings are confirmed"
    line = lines(caplog, "storage.scanned")[-1]
    assert (line["refuted"], line["unconfirmed"]) == (1, 0)
    tenant.account.writes.clear()
    assert tenant.scan(graph=confirming({2: 60, 3: 80}, s1=91, s2=91, s3=91, s4=72)) == []
    assert set(tenant.account.writes) == {("sites", "state")}


def test_a_recovery_is_confirmed_too() -> None:
    tenant = Tenant(settings=CONFIRMING)
    tenant.scan(graph=confirming({1: 91}, s1=91))
    assert tenant.scan(graph=confirming({1: 91}, s1=50)) == [], "the report is older than the truth"
    assert told(tenant.scan(graph=confirming({1: 50}, s1=50))) == [("recovered", "1", 90)]


@pytest.mark.parametrize("live", [REFUSED, None], ids=["refused", "not-told"])
def test_what_cannot_be_confirmed_is_published_on_the_reports_word_and_counted(
    caplog: pytest.LogCaptureFixture, live: GraphFailed | None
) -> None:
    tenant = Tenant(settings=CONFIRMING)
    assert told(tenant.scan(graph=confirming({1: live}, s1=91))) == [("exceeded", "1", 90)]
    assert lines(caplog, "storage.scanned")[-1]["unconfirmed"] == 1


def test_a_confirmation_that_graph_is_too_busy_for_waits_for_the_next_scan() -> None:
    tenant = Tenant(settings=CONFIRMING)
    assert tenant.scan(graph=confirming({1: GraphFailed("throttled")}, s1=91)) == []
    assert tenant.app.sites.state().has_failed
    assert told(tenant.scan(graph=confirming({1: 91}, s1=91))) == [("exceeded", "1", 90)]


def test_a_line_of_the_list_keeps_its_time_while_nothing_changes() -> None:
    tenant = Tenant()
    tenant.scan(a_row(1, 71), a_row(2, 95), a_row(3, 80), a_row(4, 10))
    began = tenant.now
    tenant.now += timedelta(hours=6)
    tenant.scan(a_row(3, 80), a_row(2, 96), a_row(1, 71), a_row(4, 10))
    found = [(line.url, line.percent, line.threshold, line.changed_at) for line in tenant.app.sites.listing().value]
    assert found == [
        (site_url(2), 96.0, 90, tenant.now),
        (site_url(3), 80.0, 75, began),
        (site_url(1), 71.0, None, began),
    ]


def test_writes_are_as_many_as_crossings() -> None:
    tenant = Tenant()
    rows = [a_row(number, 95 if number < 20 else 72) for number in range(200)]
    tenant.scan(*rows)
    sites = [row for table, row in tenant.account.writes if table == "sites" and row.startswith("0000")]
    assert len(sites) == 2 * 20, "raised and marked"
    assert len(tenant.account.writes) - len(sites) == 20 + 2, "an event each, the list and the state"


def test_a_scan_ends_before_the_host_would_end_it() -> None:
    timeout = json.loads((Path(__file__).parents[3] / "host.json").read_text())["functionTimeout"]
    hours, minutes, seconds = map(int, timeout.split(":"))
    assert timedelta(hours=hours, minutes=minutes, seconds=seconds) >= LIMIT + timedelta(minutes=4)


def test_a_deployment_in_another_cloud_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant(settings={"ENTRA_CLOUD": "china"})
    scan(tenant.app)
    [line] = lines(caplog, "storage.scan_failed")
    assert "AzureWebJobs.scan_storage.Disabled=true" in line["error"]
