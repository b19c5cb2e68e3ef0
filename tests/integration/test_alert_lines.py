"""The alert log worked through: acknowledged and sent again, one line and all that match."""

from datetime import timedelta
from typing import Any

import pytest

from shared.admin import alert_lines
from shared.api import alerts, deliveries
from shared.model import DeliveryId, digest

from .api import Api
from .scene import BUSY, OK, THURSDAY, an_event


def fail(api: Api, *keys: str) -> list[str]:
    """Ends a delivery of each event as failed; returns the ids, newest first."""
    api.scene.receiver.answers = [BUSY]
    for key in keys:
        api.scene.publish(an_event(key))
    api.scene.run()
    return [line["id"] for line in log(api)]


def log(api: Api) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = api(deliveries.list_some, status="failed").body["value"]
    return lines


def test_an_acknowledged_line_leaves_the_alert_log_and_the_delivery_stays(api: Api) -> None:
    api.scene.register()
    [failed] = fail(api, "one")
    assert api(alerts.acknowledge, {"acknowledged": True}, failed.lower()).body == {"id": failed, "acknowledged": True}
    assert log(api) == []
    assert api(deliveries.get, route=failed).body["status"] == "failed"
    assert api(alerts.acknowledge, {"acknowledged": True}, failed).status == 200
    assert api(alerts.acknowledge, {"acknowledged": False}, failed).status == 200
    assert [line["id"] for line in log(api)] == [failed]


def test_a_repeated_alert_brings_no_acknowledged_line_back_and_a_new_failure_does(api: Api) -> None:
    """Poison messages may come twice; and somebody may try again in vain."""
    api.scene.register()
    [failed] = fail(api, "one")
    api(alerts.acknowledge, {"acknowledged": True}, failed)
    delivery_id = DeliveryId.parse(failed)
    assert delivery_id is not None
    stored = api.scene.app.deliveries.get(delivery_id)
    assert stored is not None
    api.scene.app.alerts.write(delivery_id, stored.value)
    assert log(api) == []
    api.scene.app.alerts.write(delivery_id, stored.value, noted=1)
    assert [line["id"] for line in log(api)] == [failed], "a retry that was given up without an attempt"
    api(alerts.acknowledge, {"acknowledged": True}, failed)
    assert api(deliveries.retry_one, route=failed).status == 202
    api.scene.run()
    assert [line["id"] for line in log(api)] == [failed]


def test_what_is_not_in_the_alert_log_cannot_be_acknowledged(api: Api) -> None:
    api.scene.register()
    api.scene.publish(an_event("fine"))
    api.scene.run()
    [delivered] = api.scene.ids(an_event("fine"))
    for unknown in (str(delivered), "nonsense", "01A2045420C0-FTZE3OS7WCRQ4JXIHMVMLOPCTY"):
        assert api(alerts.acknowledge, {"acknowledged": True}, unknown).status == 404
    assert api(alerts.acknowledge, {"acknowledged": "yes"}, str(delivered)).status == 400


def test_a_message_that_could_not_be_read_can_be_acknowledged(api: Api) -> None:
    api.scene.register()
    fail(api, "one")
    line = api.scene.app.alerts.write_malformed(THURSDAY + timedelta(minutes=1), digest("x"), b"x", "unreadable")
    assert api(alerts.acknowledge, {"acknowledged": True}, line).status == 200
    assert line not in [each["id"] for each in log(api)]


def test_all_that_match_are_counted_first_and_then_sent_again_once(api: Api) -> None:
    api.scene.register()
    fail(api, "one", "two", "three")
    posted = len(api.scene.receiver.posts)
    dry = api(alerts.retry_all, {"dryRun": True})
    assert (dry.status, dry.body) == (200, {"count": 3, "skipped": []})
    assert api.scene.queue.held == []
    done = api(alerts.retry_all, {})
    assert (done.status, done.body["count"]) == (202, 3)
    again = api(alerts.retry_all, {})
    assert again.body == {"count": 0, "skipped": [{"reason": "It is still on its way", "count": 3}]}
    api.scene.receiver.answers = [OK]
    api.scene.run()
    assert log(api) == []
    assert len(api.scene.receiver.posts) - posted == 3


def test_only_what_matches_is_sent_again(api: Api) -> None:
    one, other = api.scene.register(), api.scene.register("https://other.example/hook")
    fail(api, "one")
    assert len(log(api)) == 2
    assert api(alerts.retry_all, {"endpoint": one.id.lower(), "dryRun": True}).body["count"] == 1
    assert api(alerts.retry_all, {"type": "custom.other", "dryRun": True}).body["count"] == 0
    assert api(alerts.retry_all, {"to": "2020-01-01T00:00:00Z", "dryRun": True}).body["count"] == 0
    api.scene.app.endpoints.delete(other.id)
    told = api(alerts.retry_all, {"dryRun": True}).body
    assert told["count"] == 1
    assert told["skipped"] == [
        {"reason": "Its endpoint is not registered any more: register it again first", "count": 1}
    ]


def test_a_call_that_has_to_end_says_where_the_next_one_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_lines, "_PAGE", 2)
    monkeypatch.setattr(alert_lines, "LONGEST_SECONDS", -1.0)
    api.scene.register()
    fail(api, "one", "two", "three", "four", "five")
    body: dict[str, object] = {}
    counts = []
    while True:
        done = api(alerts.acknowledge_all, body).body
        counts.append(done["count"])
        if "continuation" not in done:
            break
        body = {"continuation": done["continuation"]}
    assert counts == [2, 2, 1]
    assert log(api) == []


@pytest.mark.parametrize(
    "body",
    [
        {"endpoint": "https://x.example"},
        {"from": "yesterday"},
        {"continuation": "x"},
        {"status": "failed"},
        {"type": "storage.*"},
        {"type": "storage.threshold_exceded"},
    ],
)
def test_a_filter_that_is_not_understood_is_refused(api: Api, body: dict[str, str]) -> None:
    """One that was passed over would send again what nobody asked for."""
    api.scene.register()
    fail(api, "one")
    assert api(alerts.retry_all, body).status == 400
    assert api(alerts.acknowledge_all, body).status == 400
    assert len(log(api)) == 1
