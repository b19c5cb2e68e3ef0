"""Table `sites`, and whole scans, on a real storage account."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from shared.model.thresholds import Standing, Thresholds, read_thresholds
from shared.storage import chunks
from shared.storage.clients import Services, StorageUnavailable, Written
from shared.storage.sites import KnownUrls, ListedSite, Listing, ScanState, SiteRow, Sites

from .conftest import Calls
from .scanning import run_scan, site_id, site_url, told
from .scene import Scene, an_event

NOW = datetime(2026, 11, 19, 10, tzinfo=UTC)
ROW = SiteRow(
    url=site_url(1), counter=7, standing=Standing(("75", "90"), ("90",)), pending=(an_event(),), crossed_at=NOW
)


@pytest.fixture
def sites(services: Services) -> Sites:
    return Sites(services)


def test_a_row_comes_back_as_it_was_written(sites: Sites) -> None:
    assert sites.get(site_id(1)) is None
    assert sites.all() == {}
    assert sites.insert(site_id(1), ROW) is Written.DONE
    stored = sites.get(site_id(1))
    assert stored is not None
    assert stored.value == ROW
    assert sites.all() == {site_id(1): stored}


def test_only_one_of_two_writers_wins(sites: Sites) -> None:
    sites.insert(site_id(1), ROW)
    assert sites.insert(site_id(1), ROW) is Written.CONFLICT
    stored = sites.get(site_id(1))
    assert stored is not None
    changed = ROW.model_copy(update={"counter": 8})
    assert sites.replace(site_id(1), changed, stored.etag) is Written.DONE
    assert sites.replace(site_id(1), ROW, stored.etag) is Written.CONFLICT
    assert sites.remove(site_id(1), stored.etag) is Written.CONFLICT
    stored = sites.get(site_id(1))
    assert stored is not None
    assert stored.value == changed
    assert sites.remove(site_id(1), stored.etag) is Written.DONE
    assert sites.replace(site_id(1), ROW, stored.etag) is Written.CONFLICT
    assert sites.get(site_id(1)) is None


def test_the_rows_of_the_scan_are_no_sites(sites: Sites) -> None:
    assert (sites.state(), sites.listing(), sites.thresholds()) == (ScanState(), Listing(), None)
    assert sites.known_urls() == KnownUrls()
    state = ScanState(last_success_at=NOW, names_concealed=True, resume_at="/next?$skiptoken=a")
    thresholds = Thresholds(default=read_thresholds("90:high,500GB:low"))
    known = KnownUrls({site_id(1): site_url(1)}, frozenset({site_id(2)}), frozenset({site_id(3)}))
    sites.write_state(state)
    sites.write_thresholds(thresholds)
    sites.write_known_urls(KnownUrls(), known)
    assert (sites.state(), sites.thresholds(), sites.known_urls()) == (state, thresholds, known)
    assert sites.all() == {}


def test_rows_have_the_names_and_marks_of_the_first_ones(sites: Sites, services: Services) -> None:
    """Scans of an earlier version run while this one is deployed."""
    sites.write_state(ScanState(resume_at="/next"))
    sites.write_known_urls(KnownUrls(), KnownUrls({"1a": "https://x"}, frozenset({"1b"}), frozenset({"1c"})))
    rows = {
        row: json.loads(chunks.join("Row", services.table("sites").get("scan", row) or {}))
        for row in ("state", "urls-1")
    }
    assert rows == {"state": {"walk_from": "/next"}, "urls-1": {"urls": {"1a": "https://x", "1b": "", "1c": "-"}}}


def test_only_the_known_urls_that_differ_are_written(sites: Sites, calls: Calls) -> None:
    before = KnownUrls({f"{letter}-id": "https://x" for letter in "0a"})
    sites.write_known_urls(KnownUrls(), before)
    calls.clear()
    more = KnownUrls({**before.urls, "a-other": "https://y"})
    sites.write_known_urls(before, more)
    assert [method for method, _ in calls] == ["PUT"]
    sites.write_known_urls(more, KnownUrls({"a-other": "https://y"}))
    assert sites.known_urls() == KnownUrls({"a-other": "https://y"})


def test_a_list_that_no_entity_can_hold_is_shortened(sites: Sites) -> None:
    def a_line(number: int) -> ListedSite:
        url = f"https://contoso.sharepoint.com/sites/{number:04}" + "é" * 800
        return ListedSite(id=site_id(number), url=url, used_bytes=1, quota_bytes=1, percent=100, changed_at=NOW)

    sites.write_listing(Listing(value=tuple(a_line(number) for number in range(1000))))
    kept = sites.listing().value
    assert 200 < len(kept) < 1000
    assert kept == tuple(a_line(number) for number in range(len(kept)))


def test_a_crossing_reaches_the_receiver_once(scene: Scene) -> None:
    scene.register(types=("storage.*",), sites=("*/sites/s1",))
    for _ in range(2):
        run_scan(scene, {1: 95, 2: 91, 3: 10})
    assert told(scene) == [("exceeded", "1", 90), ("exceeded", "2", 90)]
    scene.run()
    [(_, _, body)] = scene.receiver.posts
    sent = json.loads(body)
    assert (sent["type"], sent["content"]["siteUrl"]) == ("storage.threshold_exceeded", site_url(1))
    scene.clock.move(timedelta(days=1))
    run_scan(scene, {1: 60, 2: 91})
    scene.run()
    assert json.loads(scene.receiver.posts[1][2])["type"] == "storage.threshold_recovered"


def test_scans_of_several_hosts_at_once_publish_each_crossing_once(scene: Scene) -> None:
    percents = dict.fromkeys(range(12), 95.0)
    hosts = [scene.elsewhere() for _ in range(4)]
    run_scan(scene, {99: 1})
    with ThreadPoolExecutor(len(hosts)) as threads:
        for _ in threads.map(lambda host: run_scan(host, percents, named=False), hosts):
            pass
    assert told(scene) == sorted(("exceeded", str(number), 90) for number in percents)
    assert not any(site.value.pending for site in scene.app.sites.all().values())
    assert not scene.app.sites.state().has_failed


def test_a_scan_of_unchanged_data_writes_nothing_but_when_it_was(scene: Scene, calls: Calls) -> None:
    percents = {1: 95.0, 2: 80.0, 3: 72.0}
    run_scan(scene, percents, named=False)
    calls.clear()
    run_scan(scene, percents, named=False)
    writes = [about for method, about in calls if method not in ("GET", "HEAD")]
    assert len(writes) == 1
    assert "state" in writes[0]
    assert len(calls) < 10, "constant, whatever the number of sites"


@pytest.mark.parametrize("operation", ["insert", "replace"])
def test_storage_that_fails_half_way_leaves_a_crossing_to_the_next_scan(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def fail(*args: object) -> None:
        raise StorageUnavailable("storage answered 500")

    with monkeypatch.context() as patch:
        patch.setattr(Sites, operation, fail)
        run_scan(scene, {1: 95})
    assert scene.app.sites.state().has_failed
    run_scan(scene, {1: 95})
    assert told(scene) == [("exceeded", "1", 90)]
    assert not scene.app.sites.state().has_failed
