"""Events through their handlers."""

from typing import Any

import pytest

from shared.api import events
from shared.delivery import publisher
from shared.model.catalogue import CATALOGUE

from .api import Api
from .scene import an_event


def envelope(key: str = "key-1", **changes: Any) -> dict[str, Any]:
    return {"type": "custom.test", "content": {"a": 1}, "meta": {"idempotencyKey": key}} | changes


def test_content_and_time_are_sent_and_shown_as_received(api: Api) -> None:
    api.scene.register()
    body = (
        b'{ "type": "custom.test", "content": { "n": 1.10, "e": 1e3, "u": "\\u00e9\\/" , "l": [ 1, 2 ] },\n'
        b' "meta": { "timeStamp": "2023-10-05T14:48:00", "idempotencyKey": "key-1" } }'
    )
    assert api(events.publish_events, body).body == {"idempotencyKey": "key-1", "deliveries": 1, "duplicate": False}
    api.scene.dispatch_next()
    sent = (
        '{"type":"custom.test","content":{"n":1.10,"e":1e3,"u":"\\u00e9\\/","l":[1,2]},'
        '"meta":{"timeStamp":"2023-10-05T14:48:00","idempotencyKey":"key-1"}}'
    )
    assert api.scene.receiver.posts[0][2].decode() == sent
    assert api(events.get, route="key-1").text.startswith(sent[:-1])


def test_an_event_is_shown_with_how_its_deliveries_stand(api: Api) -> None:
    api.scene.register()
    api(events.publish_events, envelope(severity="high", tenant={"id": "contoso"}))
    [delivery_id] = api.scene.ids(an_event())
    shown = api(events.get, route="key-1").body
    delivery = {"id": str(delivery_id), "endpointId": delivery_id.endpoint, "status": "pending"}
    assert shown["deliveries"] == [delivery]
    assert (shown["severity"], shown["tenant"]) == ("high", {"id": "contoso"})
    api.scene.dispatch_next()
    assert api(events.get, route="key-1").body["deliveries"] == [delivery | {"status": "delivered"}]
    assert api(events.get, route="other").status == 404
    assert api(events.get, route="not a key/é").status == 404


def test_what_an_event_does_not_say_has_its_documented_default(api: Api) -> None:
    sample = CATALOGUE["storage.threshold_exceeded"].sample
    key = api(events.publish_events, {"type": "storage.threshold_exceeded", "content": sample}).body["idempotencyKey"]
    shown = api(events.get, route=key).body
    assert (shown["severity"], shown["meta"]["timeStamp"]) == ("high", "2026-11-19T10:00:00.000Z")
    assert shown["content"] == sample


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "unknown"}, "must start with 'custom.'"),
        ({"type": "webhook.delivery_failed"}, "published by Tenant Hooks itself"),
        ({"type": "storage.threshold_exceeded"}, "content.siteUrl: is required"),
        ({"content": []}, "content"),
        ({"content": None}, "content"),
        ({"meta": {"idempotencyKey": "with space"}}, "idempotencyKey"),
        ({"meta": {"idempotencyKey": "k" * 129}}, "idempotencyKey"),
        ({"meta": {"timeStamp": "yesterday"}}, "timeStamp"),
        ({"severity": "severe"}, "severity"),
        ({"tenant": {}}, "tenant.id: is required"),
        ({"extra": 1}, "extra: is not known here"),
    ],
)
def test_a_wrong_event_says_what_to_change_and_in_an_array_which_it_is(
    api: Api, change: dict[str, Any], says: str
) -> None:
    answer = api(events.publish_events, envelope() | change)
    assert answer.status == 400
    assert says in answer.body["detail"]
    answer = api(events.publish_events, [envelope("a"), envelope("b") | change])
    assert answer.status == 400
    assert "[1]." in answer.body["detail"]
    assert api(events.get, route="a").status == 404, "all are validated before the first is accepted"


def test_an_array_is_answered_in_order_and_a_clash_in_it_names_the_index(api: Api) -> None:
    answer = api(events.publish_events, [envelope("a"), envelope("b"), envelope("a")])
    assert [each["idempotencyKey"] for each in answer.body] == ["a", "b", "a"]
    assert [each["duplicate"] for each in answer.body] == [False, False, True]
    clash = api(events.publish_events, [envelope("c"), envelope("b", content={"other": 1})])
    assert clash.status == 409
    assert "[1]" in clash.body["detail"]
    assert [each["idempotencyKey"] for each in clash.body["accepted"]] == ["c"]
    assert api(events.publish_events, envelope("b", content={"other": 1})).status == 409


def test_21_endpoints_and_100_events_are_taken_in_two_calls(api: Api) -> None:
    for number in range(21):
        api.scene.register(f"https://receiver.example/{number}")
    array = [envelope(f"key-{number}") for number in range(100)]
    answer = api(events.publish_events, array)
    assert answer.status == 429
    assert [each["deliveries"] for each in answer.body["accepted"]] == [21] * 95
    assert [each["index"] for each in answer.body["rest"]] == [95, 96, 97, 98, 99]
    again = api(events.publish_events, [array[each["index"]] for each in answer.body["rest"]])
    assert [(each["deliveries"], each["duplicate"]) for each in again.body] == [(21, False)] * 5
    assert len(api.scene.queue.held) == 2100


def test_an_array_that_is_taken_in_part_names_the_rest(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "MOST_DELIVERIES", 3)
    api.scene.register()
    api.scene.register("https://another.example/")
    array = [envelope("a"), envelope("b"), envelope("c")]
    answer = api(events.publish_events, array)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    assert answer.body["type"] == "urn:tenant-hooks:problem:too-many"
    assert answer.body["detail"].startswith("2 of 3 events were not taken")
    assert answer.body["accepted"] == [{"idempotencyKey": "a", "deliveries": 2, "duplicate": False}]
    assert answer.body["rest"] == [{"index": 1, "idempotencyKey": "b"}, {"index": 2, "idempotencyKey": "c"}]
    clash = api(events.publish_events, [envelope("a", content={"other": 1}), *array[1:]])
    assert clash.status == 409
    assert [each["idempotencyKey"] for each in clash.body["accepted"]] == ["b"]
    assert clash.body["rest"] == [{"index": 2, "idempotencyKey": "c"}]
    whole = api(events.publish_events, array)
    assert whole.status == 202
    assert [each["duplicate"] for each in whole.body] == [True, True, False]


def test_what_is_too_large_is_refused(api: Api) -> None:
    assert api(events.publish_events, envelope(content={"a": "x" * 256 * 1024})).status == 413
    assert api(events.publish_events, [envelope("a"), envelope(content={"a": "x" * 256 * 1024})]).status == 413
    assert api(events.publish_events, b" " * (1024 * 1024 + 1)).status == 413
    assert api(events.publish_events, [envelope(str(number)) for number in range(101)]).status == 400
    assert api(events.publish_events, []).status == 400
    assert api(events.publish_events, envelope(content={"a": "x" * 255 * 1024})).status == 202


def test_no_202_carries_a_location(api: Api) -> None:
    assert "Location" not in api(events.publish_events, envelope()).headers
