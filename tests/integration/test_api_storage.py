"""Storage thresholds, the list of sites, and what /health says of scans, through their handlers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.api import health
from shared.api import usage as storage

from .api import Api
from .scanning import run_scan, site_url
from .scene import THURSDAY

DEFAULT = {
    "default": [
        {"threshold": 75, "severity": "medium"},
        {"threshold": 90, "severity": "high"},
        {"threshold": 100, "severity": "critical"},
    ],
    "sites": [],
}


def test_thresholds_are_those_of_the_settings_until_some_are_put(api: Api) -> None:
    assert api(storage.get_thresholds).body == DEFAULT
    wanted = {
        "default": [{"threshold": 87.5, "severity": "high"}, {"threshold": "500GB", "severity": "critical"}],
        "sites": [
            {"site": "https://contoso.sharepoint.com/sites/hr*", "thresholds": [{"threshold": 50, "severity": "low"}]},
            {"site": "*/sites/archive", "thresholds": []},
        ],
    }
    answer = api(storage.put_thresholds, wanted)
    assert (answer.status, answer.body) == (200, wanted)
    assert api(storage.get_thresholds).body == wanted
    assert '"threshold":87.5' in answer.text
    assert '"threshold":50,' in answer.text
    assert api(storage.put_thresholds, {"default": []}).body == {"default": [], "sites": []}, "it is the whole"


def test_thresholds_are_shown_in_one_way_however_they_are_written(api: Api) -> None:
    written = [("90%", 90), (95.0, 95), ("0.5 tb", "512GB"), ("1024GB", "1TB"), ("1.5MB", "1.5MB")]
    lines = [{"threshold": given, "severity": "low"} for given, _ in written]
    shown = api(storage.put_thresholds, {"default": lines}).body["default"]
    assert [line["threshold"] for line in shown] == [wanted for _, wanted in written]
    assert isinstance(shown[1]["threshold"], int)


def of(*lines: Any) -> dict[str, Any]:
    return {"default": [*lines]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "default: is required"),
        ({"default": None}, "default"),
        (of({"threshold": 90}), "default.0.severity: is required"),
        (of({"threshold": 90, "severity": "severe"}), "default.0.severity"),
        (of({"severity": "low"}), "default.0.threshold: is required"),
        (of({"threshold": 0, "severity": "low"}), "default.0.threshold: give a percentage of the quota above 0"),
        (of({"threshold": 101, "severity": "low"}), "such as 90, or a size such as 500GB"),
        (of({"threshold": "lots", "severity": "low"}), "such as 90, or a size such as 500GB"),
        (of({"threshold": True, "severity": "low"}), "such as 90, or a size such as 500GB"),
        (of({"threshold": [], "severity": "low"}), "such as 90, or a size such as 500GB"),
        (of({"threshold": 9, "severity": "low"}, {"threshold": "9%", "severity": "high"}), "9 is there twice"),
        (of({"threshold": 9, "severity": "low", "unit": "GB"}), "default.0.unit: is not known here"),
        (of(*({"threshold": number, "severity": "low"} for number in range(1, 22))), "at most 20"),
        ({"default": [], "sites": [{"thresholds": []}]}, "sites.0.site: is required"),
        ({"default": [], "sites": [{"site": "", "thresholds": []}]}, "sites.0.site"),
        (
            {"default": [], "sites": [{"site": "contoso.sharepoint.com/*", "thresholds": []}]},
            "sites.0.site: matches no",
        ),
        ({"default": [], "site": []}, "site: is not known here"),
        ([], "must be a JSON object"),
    ],
)
def test_wrong_thresholds_say_what_to_change_and_change_nothing(api: Api, body: Any, says: str) -> None:
    answer = api(storage.put_thresholds, body)
    assert answer.status == 400
    assert says in answer.body["detail"]
    assert api(storage.get_thresholds).body == DEFAULT


def test_the_next_scan_goes_by_what_was_put(api: Api) -> None:
    api(storage.put_thresholds, of({"threshold": 10, "severity": "critical"}))
    run_scan(api.scene, {1: 11})
    [event] = api.scene.events("storage.")
    assert event.severity == "critical"


def test_the_list_of_sites_is_what_the_last_scan_saw(api: Api) -> None:
    assert api(storage.list_sites).body == {"value": []}
    run_scan(api.scene, {1: 71, 2: 95, 3: 80, 4: 10})
    shown = api(storage.list_sites).body["value"]
    assert shown[0] == {
        "siteUrl": site_url(2),
        "currentUsage": round(2**40 * 0.95),
        "quota": 2**40,
        "percent": 95.0,
        "threshold": 90,
        "changedAt": "2026-11-19T10:00:00.000Z",
    }
    assert [line["siteUrl"] for line in shown] == [site_url(number) for number in (2, 3, 1)]
    assert "threshold" not in shown[2]
    assert [line["percent"] for line in api(storage.list_sites, top="1").body["value"]] == [95.0]
    assert [line["percent"] for line in api(storage.list_sites, above="80").body["value"]] == [95.0, 80.0]
    assert api(storage.list_sites, above="95.5", top="1000").body["value"] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"top": "0"}, "?top="),
        ({"top": "1001"}, "?top="),
        ({"top": "x"}, "?top="),
        ({"above": "-1"}, "?above="),
        ({"above": "1001"}, "?above="),
        ({"above": "nan"}, "?above="),
        ({"above": "much"}, "?above="),
        ({"above": "1_0"}, "?above="),
        ({"above": " 75"}, "?above="),
        ({"above": "٧٥"}, "?above="),
    ],
)
def test_a_wrong_query_says_what_to_change(api: Api, query: dict[str, str], says: str) -> None:
    answer = api(storage.list_sites, **query)
    assert answer.status == 400
    assert says in answer.body["detail"]


def test_health_warns_of_scans_and_stays_healthy(api: Api) -> None:
    def warnings() -> list[str]:
        answer = api(health.get)
        assert (answer.status, answer.body["status"]) == (200, "healthy")
        found: list[str] = answer.body.get("warnings", [])
        return found

    assert warnings() == []
    run_scan(api.scene, {1: 95})
    assert warnings() == []
    api.scene.clock.move(timedelta(hours=6))
    run_scan(api.scene, {})
    assert warnings() == ["the storage scan failed at 2026-11-19T16:00:00.000Z: see storage.scan_failed in the log"]
    api.scene.clock.now = THURSDAY + timedelta(days=4)
    run_scan(api.scene, {1: 95})
    assert warnings() == [
        "Microsoft's usage report is of 2026-11-17: storage is watched by figures that old",
    ]
    state = api.scene.app.sites.state()
    api.scene.app.sites.write_state(state.model_copy(update={"names_concealed": True}))
    assert "conceal site names" in warnings()[0]


def test_health_tells_of_a_schedule_that_the_host_does_not_take(api: Api) -> None:
    scene = api.scene
    assert "warnings" not in api(health.get).body
    wrong = scene.app.settings.model_copy(update={"storage_scan_schedule": "0 0 5 * *\n"})
    scene.app = replace(scene.app, settings=wrong)
    [warning] = api(health.get).body["warnings"]
    assert warning.startswith("no storage is scanned: STORAGE_SCAN_SCHEDULE ")


def test_the_largest_configuration_is_taken_and_kept(api: Api) -> None:
    lines = [{"threshold": f"{number}.123456 GB", "severity": "critical"} for number in range(1, 21)]
    sites = [{"site": f"*{number:03}" + "é" * 396, "thresholds": lines} for number in range(100)]
    answer = api(storage.put_thresholds, {"default": lines, "sites": sites})
    assert answer.status == 200, answer.text[:500]
    assert len(api(storage.get_thresholds).body["sites"]) == 100
