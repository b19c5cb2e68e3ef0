"""`POST /v1.0/events` and `GET /v1.0/events/{key}`."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from local.issuer import CLAIMS, sign_token

from .api import ENDPOINTS, Api, custom, holds_null
from .conftest import App

EVENTS = "/v1.0/events"
KIB = 1024
STORAGE = {"siteUrl": "https://contoso.sharepoint.com/sites/hr", "currentUsage": 9, "quota": 10, "threshold": 90}


def test_the_answer_counts_the_deliveries(app: App) -> None:
    endpoints = [app.api.register(app.receiver.hook().url, "custom.counted") for _ in range(2)]
    accepted = app.api.publish(custom("custom.counted", key="a:B_c-9"))
    assert accepted == {"idempotencyKey": "a:B_c-9", "deliveries": 2, "duplicate": False}
    assert app.api.publish(custom("custom.nobody"))["deliveries"] == 0
    for each in endpoints:
        app.api.call("DELETE", f"{ENDPOINTS}/{each['id']}", expect=204)


def test_get_event_gives_it_back_with_its_deliveries(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.given-back")
    event = {
        "type": "custom.given-back",
        "content": {"a": {"b": [1, None]}},
        "meta": {"timeStamp": "2026-11-22T10:00:00", "idempotencyKey": str(uuid.uuid4())},
        "severity": "critical",
        "tenant": {"id": "fabrikam", "displayName": "Fabrikam", "microsoftTenantId": "t"},
    }
    key = app.api.publish(event)["idempotencyKey"]
    hook.wait()
    delivery_id = app.api.delivery_id(key, endpoint)
    app.api.ended(delivery_id, "delivered")
    delivery = {"id": delivery_id, "endpointId": endpoint["id"], "status": "delivered"}
    assert app.api.event(key) == {**event, "publisher": CLAIMS["oid"], "deliveries": [delivery]}
    app.api.call("GET", f"{EVENTS}/{uuid.uuid4()}", expect=404)
    app.api.call("GET", f"{EVENTS}/not%20a%20key", expect=404)


def test_meta_severity_and_tenant_have_defaults(api: Api) -> None:
    before = datetime.now(UTC)
    accepted = api.publish({"type": "storage.threshold_exceeded", "content": STORAGE})
    event = api.event(accepted["idempotencyKey"])
    assert uuid.UUID(accepted["idempotencyKey"])
    assert event["severity"] == "high"
    assert event["tenant"] == {
        "id": "contoso",
        "displayName": "Contoso",
        "microsoftTenantId": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    }
    stamped = datetime.fromisoformat(event["meta"]["timeStamp"])
    assert timedelta(seconds=-1) < stamped - before < timedelta(seconds=10)
    again = api.publish({"type": "storage.threshold_exceeded", "content": STORAGE})
    assert again["idempotencyKey"] != accepted["idempotencyKey"], "without a key every call is a new event"


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"content": {}}, "type"),
        ({"type": "custom.x"}, "content"),
        ({"type": "custom.x", "content": []}, "content"),
        ({"type": "custom.", "content": {}}, "custom."),
        ({"type": "unknown", "content": {}}, "custom."),
        ({"type": "webhook.delivery_failed", "content": {}}, "webhook.delivery_failed"),
        ({"type": "custom.x", "content": {}, "extra": 1}, "extra"),
        ({"type": "custom.x", "content": {}, "severity": "urgent"}, "severity"),
        ({"type": "custom.x", "content": {}, "tenant": {}}, "tenant.id"),
        ({"type": "custom.x", "content": {}, "meta": {"idempotencyKey": "a b"}}, "idempotencyKey"),
        ({"type": "custom.x", "content": {}, "meta": {"idempotencyKey": "a\n"}}, "idempotencyKey"),
        ({"type": "custom.x", "content": {}, "meta": {"idempotencyKey": "a" * 129}}, "idempotencyKey"),
        ({"type": "custom.x", "content": {}, "meta": {"idempotencyKey": ""}}, "idempotencyKey"),
        ({"type": "custom.x", "content": {}, "meta": {"timeStamp": "yesterday"}}, "timeStamp"),
        ({"type": "custom.x", "content": {}, "meta": {"timeStamp": "2026-13-01T00:00:00Z"}}, "timeStamp"),
        ({"type": "ProvisioningStarted", "content": {"name": "n"}}, "content.requesterId"),
        ({"type": "storage.threshold_exceeded", "content": {**STORAGE, "quota": "10"}}, "content.quota"),
        ({"type": "storage.threshold_exceeded", "content": {**STORAGE, "threshold": None}}, "threshold"),
        ("text", "object"),
        ([], "1 to 100"),
    ],
)
def test_a_wrong_event_is_refused_in_words(api: Api, event: object, named: str) -> None:
    assert named in api.publish(event, expect=400)["detail"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"type":"custom.x","content":{"a":NaN}}', "NaN"),
        ('{"type":"custom.x","content":{"a":-Infinity}}', "Infinity"),
        ('{"type":"custom.x","content":{"a":1e999}}', "1e999"),
        ('{"type":"custom.x","content":{"a":1,"a":2}}', "twice"),
        ('{"type":"custom.x","type":"custom.y","content":{}}', "twice"),
        ('{"type":"custom.x","content":{"a":"\\ud800"}}', "surrogate"),
        ('{"type":"custom.x","content":{"\\udc00":1}}', "surrogate"),
        ('{"type":"custom.x","content":{"a":' + "[" * 10000 + "]" * 10000 + "}}", "deep"),
        ('{"type":"custom.x","content":{}', "JSON"),
        ("", "empty"),
    ],
)
def test_json_that_receivers_could_read_differently_is_refused(api: Api, text: str, named: str) -> None:
    assert named in api.call("POST", EVENTS, data=text, expect=400).json["detail"]


def test_text_that_is_not_utf8_is_refused(api: Api) -> None:
    data = b'{"type":"custom.x","content":{"a":"\xe9"}}'
    assert "UTF-8" in api.call("POST", EVENTS, data=data, expect=400).json["detail"]


def test_an_array_is_answered_in_order(api: Api) -> None:
    events = [custom(key=f"order-{at}-{uuid.uuid4()}") for at in range(100)]
    answers = api.publish(events)
    assert [each["idempotencyKey"] for each in answers] == [each["meta"]["idempotencyKey"] for each in events]
    assert [each["duplicate"] for each in api.publish(list(reversed(events)))] == [True] * 100


def test_an_array_is_validated_before_its_first_event_is_accepted(api: Api) -> None:
    good, bad = custom(), {"type": "custom.x", "content": {}, "severity": "urgent"}
    problem = api.publish([good, good, bad], expect=400)
    assert "[2]" in problem["detail"]
    assert "severity" in problem["detail"]
    api.call("GET", f"{EVENTS}/{good['meta']['idempotencyKey']}", expect=404)


def test_an_array_has_at_most_100_events(api: Api) -> None:
    assert "100" in api.publish([custom()] * 101, expect=400)["detail"]


def sized(size: int) -> str:
    """An event of exactly `size` bytes."""
    start, end = '{"type":"custom.large","content":{"a":"', '"}}'
    return start + "a" * (size - len(start) - len(end)) + end


def test_an_event_has_at_most_256_kib(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.large")
    app.api.call("POST", EVENTS, data=sized(256 * KIB + 1), expect=413)
    app.api.call("POST", EVENTS, data=f"[{sized(9999)},{sized(256 * KIB + 1)}]", expect=413)
    app.api.call("POST", EVENTS, data=sized(256 * KIB), expect=202)
    assert len(json.loads(hook.wait()[0].body)["content"]["a"]) > 255 * KIB
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_a_body_has_at_most_one_mib(api: Api) -> None:
    inner = ",".join([sized(128 * KIB - 1)] * 7)
    last = sized(1024 * KIB - len(inner) - 3)
    app_text = f"[{inner},{last}]"
    assert len(app_text) == 1024 * KIB
    assert len(api.call("POST", EVENTS, data=app_text, expect=202).json) == 8
    api.call("POST", EVENTS, data=app_text + " ", expect=413)


def test_the_same_event_again_is_a_duplicate(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.repeated")
    event = custom("custom.repeated", a=1, b=[2.5, "é"])
    assert app.api.publish(event)["duplicate"] is False
    hook.wait()
    app.api.ended(app.api.delivery_id(event["meta"]["idempotencyKey"], endpoint), "delivered")
    other_spelling = {**event, "content": {"b": [2.5, "é"], "a": 1}}
    for each in (event, other_spelling):
        again = app.api.publish(each)
        assert again == {"idempotencyKey": event["meta"]["idempotencyKey"], "deliveries": 1, "duplicate": True}
    app.api.publish(last := custom("custom.repeated"))
    hook.wait(key=last["meta"]["idempotencyKey"])
    assert len(hook.of(event["meta"]["idempotencyKey"])) == 1
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@pytest.mark.parametrize("change", [{"type": "custom.other"}, {"content": {"n": 2}}, {"content": {"n": "1"}}])
def test_the_same_key_for_another_event_is_a_conflict(api: Api, change: dict[str, object]) -> None:
    event = custom()
    api.publish(event)
    key = event["meta"]["idempotencyKey"]
    assert key in api.publish({**event, **change}, expect=409)["detail"]
    stored = api.event(key)
    assert (stored["type"], stored["content"]) == (event["type"], event["content"])


@pytest.mark.parametrize("prefix", ["storage:", "sharing:", "provisioning:", "webhook:", "test-"])
def test_a_key_of_the_apps_own_is_refused(api: Api, prefix: str) -> None:
    assert "must not begin with" in api.publish(custom(key=f"{prefix}1"), expect=400)["detail"]


def test_two_callers_may_use_the_same_key(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.shared")
    other = Api(app.api.base, app.api.key)
    other._token = sign_token(app.api.key, ["Point.Publish"], oid="00000000-0000-4000-8000-00000000a11c")
    first, second = custom("custom.shared"), custom("custom.shared", other=1)
    key = second["meta"]["idempotencyKey"] = first["meta"]["idempotencyKey"]
    for caller, event in ((app.api, first), (other, second)):
        assert not caller.publish(event)["duplicate"]
        assert caller.publish(event)["duplicate"]
    other.close()
    hook.wait(2, key=key)
    assert {json.loads(each.body)["content"].get("other") for each in hook.received} == {None, 1}
    assert app.api.event(key)["otherPublishers"] == ["00000000-0000-4000-8000-00000000a11c"]
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_of_many_at_once_with_one_key_one_is_the_first(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.raced")
    event = custom("custom.raced")

    def publish(_: int) -> bool:
        caller = Api(app.api.base, app.api.key)
        try:
            return bool(caller.publish(event)["duplicate"])
        finally:
            caller.close()

    with ThreadPoolExecutor(8) as callers:
        assert sorted(callers.map(publish, range(8))) == [False] + [True] * 7
    hook.wait(key=event["meta"]["idempotencyKey"])
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_a_chunked_body_is_411(api: Api) -> None:
    """The platform hands it over empty, so the answer must say what to change."""
    answer = api._session.post(
        api.base + EVENTS,
        data=iter([b'{"type":"custom.x",', b'"content":{}}']),
        headers={"Authorization": f"Bearer {api._token}", "Content-Type": "application/json"},
        timeout=30,
    )
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    assert answer.status_code == 411
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert "Content-Length" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "application/cloudevents+json", "Application/Vnd.X+JSON;v=1"],
)
def test_json_content_types_are_taken(api: Api, content_type: str) -> None:
    api.call("POST", EVENTS, custom(), expect=202, headers={"Content-Type": content_type})


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", None])
def test_other_content_types_are_not(api: Api, content_type: str | None) -> None:
    api.call("POST", EVENTS, custom(), expect=415, headers={"Content-Type": content_type})


def test_the_catalogue(api: Api) -> None:
    found = {each["type"]: each for each in api.call("GET", "/v1.0/webhooks/types").json["value"]}
    assert found.keys() == {
        *("ProvisioningStarted", "ProvisioningCompleted", "ProvisioningFailed"),
        *("permission.external_share_created", "permission.anonymous_link_created"),
        *("permission.granted", "permission.revoked", "storage.threshold_exceeded", "storage.threshold_recovered"),
        *("webhook.delivery_failed", "webhook.endpoint_failing", "webhook.endpoint_disabled"),
    }
    for name, each in found.items():
        assert each.keys() == {"type", "title", "description", "severity", "schema", "sample"}
        assert each["schema"]["required"]
        if not name.startswith("webhook."):
            accepted = api.publish({"type": name, "content": each["sample"]})
            assert api.event(accepted["idempotencyKey"])["severity"] == each["severity"]


def test_the_catalogue_holds_no_null(api: Api) -> None:
    schemas = [each["schema"] for each in api.call("GET", "/v1.0/webhooks/types").json["value"]]
    assert not holds_null(schemas)
