"""`/v1.0/webhooks/subscriptions`: endpoints in the words of automation tools."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from doubles.hooks import MARK, Receiver

from .api import ENDPOINTS, Api, Reply, custom
from .conftest import App
from .test_subscribers import ALICE, BOB, Subscriber

SUBSCRIPTIONS = "/v1.0/webhooks/subscriptions"
PLAIN = {"Content-Type": "text/plain; charset=utf-8"}


@pytest.fixture(scope="module")
def alice(app: App) -> Iterator[Subscriber]:
    with closing(Subscriber(app.host.url, app.api.key, ALICE)) as alice:
        yield alice


@pytest.fixture(scope="module")
def bob(app: App) -> Iterator[Subscriber]:
    with closing(Subscriber(app.host.url, app.api.key, BOB)) as bob:
        yield bob


def put(api: Api, key: str, url: str, expect: int = 200, **more: Any) -> Reply:
    return api.call("PUT", f"{SUBSCRIPTIONS}/{key}", {"callbackUrl": url, **more}, expect=expect)


def location_of(api: Api, reply: Reply) -> str:
    """The path that a `Location` leads to, which must be on the API's own host."""
    location = reply.headers["Location"]
    assert location.startswith(f"{api.base}{SUBSCRIPTIONS}/")
    return location.removeprefix(api.base)


def test_subscribing_and_unsubscribing_by_location(app: App, alice: Subscriber) -> None:
    hook = app.receiver.hook()
    body = {"callbackUrl": hook.url, "types": ["custom.sub"], "name": "flow", "minSeverity": "low"}
    reply = alice.call("POST", SUBSCRIPTIONS, body, expect=201)
    subscription = reply.json
    assert subscription.items() >= body.items()
    assert subscription["endpoint"] == hook.url
    location = location_of(alice, reply)
    assert location == f"{SUBSCRIPTIONS}/{subscription['id']}"
    assert alice.call("GET", location).json == subscription
    listed = alice.call("GET", f"{ENDPOINTS}/{subscription['id']}").json
    assert {**listed, "callbackUrl": hook.url} == subscription, "it is an endpoint"
    assert subscription["id"] in {each["id"] for each in app.api.call("GET", ENDPOINTS).json}
    key = app.api.publish(custom("custom.sub"))["idempotencyKey"]
    assert hook.wait()[0].key == key
    assert alice.call("DELETE", location, expect=204).text == ""
    alice.call("GET", location, expect=404)
    alice.call("GET", f"{ENDPOINTS}/{subscription['id']}", expect=404)
    alice.call("DELETE", location, expect=204)


@pytest.mark.parametrize(
    ("form", "query", "types"),
    [
        ("plain", "", ["*"]),
        ("json", "", ["*"]),
        ("object", "", ["*"]),
        ("plain", "?types=storage.*,ProvisioningFailed", ["storage.*", "ProvisioningFailed"]),
        ("json", "?eventType=ProvisioningFailed", ["ProvisioningFailed"]),
        ("object", "?eventType=custom.x", ["custom.x"]),
    ],
)
def test_the_bare_url_is_enough(api: Api, receiver: Receiver, form: str, query: str, types: list[str]) -> None:
    url = receiver.hook(suffix="?sp=%2Ftriggers%2Frun&sv=1.0").url
    data = {"plain": f"{url}\n", "json": json.dumps(url), "object": json.dumps({"callbackUrl": url})}[form]
    headers: dict[str, str | None] = {**PLAIN} if form == "plain" else {}
    reply = api.call("POST", SUBSCRIPTIONS + query, data=data, headers=headers, expect=201)
    assert (reply.json["callbackUrl"], reply.json["types"]) == (url, types)
    again = api.call("PUT", f"{SUBSCRIPTIONS}/bare{query}", data=data, headers=headers, expect=201)
    assert (again.json["id"], again.json["types"]) == (reply.json["id"], types)
    api.call("DELETE", f"{SUBSCRIPTIONS}/bare", expect=204)


def test_a_family_has_its_types(api: Api, receiver: Receiver) -> None:
    expected = {
        "provisioning": ["ProvisioningStarted", "ProvisioningCompleted", "ProvisioningFailed"],
        "sharing": ["permission.*"],
        "storage": ["storage.*"],
    }
    for family, types in expected.items():
        path = f"/v1.0/webhooks/families/{family}/subscriptions"
        reply = api.call("POST", path, {"callbackUrl": receiver.hook().url, "minSeverity": "high"}, expect=201)
        assert (reply.json["types"], reply.json["minSeverity"]) == (types, "high")
        api.call("DELETE", location_of(api, reply), expect=204)
        api.call("POST", path, {"callbackUrl": receiver.hook().url, "types": ["*"]}, expect=400)
    body = {"callbackUrl": receiver.hook().url}
    assert "storage" in api.call("POST", "/v1.0/webhooks/families/x/subscriptions", body, expect=404).json["detail"]


def test_a_key_follows_its_workflow_to_each_new_callback_url(app: App, alice: Subscriber) -> None:
    old, new = app.receiver.hook(), app.receiver.hook()
    reply = put(alice, "flow-1", old.url, 201, types=["custom.keyed"], name="first")
    assert location_of(alice, reply) == f"{SUBSCRIPTIONS}/flow-1"
    assert reply.json["key"] == "flow-1"
    first = app.api.publish(custom("custom.keyed"))["idempotencyKey"]
    assert old.wait()[0].key == first
    replaced = put(alice, "flow-1", new.url, types=["custom.keyed"]).json
    assert "name" not in replaced, "what is not said has its default"
    assert put(alice, "flow-1", new.url, types=["custom.keyed"]).json == {
        **replaced,
        "updatedAt": alice.call("GET", f"{SUBSCRIPTIONS}/flow-1").json["updatedAt"],
    }
    assert alice.ids() == {replaced["id"]}
    second = app.api.publish(custom("custom.keyed"))["idempotencyKey"]
    assert new.wait()[0].key == second
    assert len(old.received) == 1
    alice.call("DELETE", f"{SUBSCRIPTIONS}/flow-1", expect=204)
    assert alice.ids() == set()
    alice.call("DELETE", f"{SUBSCRIPTIONS}/flow-1", expect=204)


def test_a_key_is_its_callers_own(app: App, alice: Subscriber, bob: Subscriber) -> None:
    """For others, admins too, it does not exist; an admin reaches the endpoint by its id."""
    of_alice = put(alice, "shared-name", app.receiver.hook().url, 201).json
    path = f"{SUBSCRIPTIONS}/shared-name"
    nobody = bob.call("GET", f"{SUBSCRIPTIONS}/never-used", expect=404).json
    for other in (bob, app.api):
        assert other.call("GET", path, expect=404).json == nobody
        other.call("DELETE", path, expect=204)
    by_id = f"{SUBSCRIPTIONS}/{of_alice['id']}"
    assert bob.call("GET", by_id, expect=404).json == nobody
    bob.call("DELETE", by_id, expect=204)
    put(bob, "his-own", of_alice["callbackUrl"], 409)
    bob.call("POST", SUBSCRIPTIONS, {"callbackUrl": of_alice["callbackUrl"]}, expect=409)
    assert alice.call("GET", path).json == of_alice, "nothing of this did anything"
    put(bob, "shared-name", app.receiver.hook().url, 201)
    assert alice.call("GET", path).json == of_alice
    bob.call("DELETE", path, expect=204)
    assert app.api.call("GET", by_id.lower()).json == of_alice
    app.api.call("DELETE", by_id, expect=204)
    alice.call("GET", path, expect=404)


def test_saves_at_the_same_time_leave_one_endpoint(app: App, alice: Subscriber) -> None:
    urls = [app.receiver.hook().url for _ in range(4)]

    def save(url: str) -> int:
        with closing(Subscriber(app.host.url, app.api.key, ALICE)) as caller:
            token = {"Authorization": f"Bearer {caller._token}"}
            path = f"{app.host.url}{SUBSCRIPTIONS}/busy"
            return caller._session.put(path, json={"callbackUrl": url}, headers=token, timeout=60).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(save, urls * 2)) <= {200, 201}
    assert len(alice.ids()) == 1
    assert alice.call("GET", f"{SUBSCRIPTIONS}/busy").json["callbackUrl"] in urls
    alice.call("DELETE", f"{SUBSCRIPTIONS}/busy", expect=204)


@pytest.mark.parametrize("key", ["A" * 26, "abcdefghijklmnopqrstuvwxyz", "-x", "a b", "a/b", "ä", "x" * 129])
def test_a_key_that_cannot_be_one_is_refused(api: Api, key: str) -> None:
    body = {"callbackUrl": f"http://127.0.0.1:9/?code={MARK}"}
    problem = api.call("PUT", f"{SUBSCRIPTIONS}/{quote(key, safe='')}", body, expect=400).json
    assert "choose another" in problem["detail"]
    if len(key) != 26:
        api.call("DELETE", f"{SUBSCRIPTIONS}/{quote(key, safe='')}", expect=400)
    api.call("GET", f"{SUBSCRIPTIONS}/{quote(key, safe='')}", expect=404)


@pytest.mark.parametrize(
    ("body", "query", "named"),
    [
        ({}, "", "callbackUrl: is required"),
        ({"callbackUrl": f"ftp://127.0.0.1/?{MARK}"}, "", "callbackUrl: "),
        pytest.param(f"{MARK}", "", "callbackUrl: ", id="no-url"),
        ({"callbackUrl": f"http://127.0.0.1:9/?{MARK}", "eventType": "nothing"}, "", "nothing"),
        ({"callbackUrl": f"http://127.0.0.1:9/?{MARK}", "types": ["*"], "eventType": "*"}, "", "once"),
        ({"callbackUrl": f"http://127.0.0.1:9/?{MARK}", "types": ["*"]}, "?types=*", "once"),
        ({"callbackUrl": f"http://127.0.0.1:9/?{MARK}"}, "?types=,", "types"),
        ({"callbackUrl": f"http://127.0.0.1:9/?{MARK}", "colour": 1}, "", "colour"),
        ({"callbackUrl": f"http://127.0.0.1:9/?{MARK}", "endpoint": "http://127.0.0.1:9/"}, "", "endpoint"),
        ([f"http://127.0.0.1:9/?{MARK}"], "", "object"),
        (7, "", "object"),
    ],
)
def test_a_wrong_subscription_is_refused_in_words(api: Api, body: Any, query: str, named: str) -> None:
    before = api.call("GET", ENDPOINTS).json
    for method, path in (("POST", SUBSCRIPTIONS), ("PUT", f"{SUBSCRIPTIONS}/wrong")):
        problem = api.call(method, path + query, data=json.dumps(body), expect=400).json
        assert named in problem["detail"]
    assert api.call("GET", ENDPOINTS).json == before


def test_a_body_of_another_kind_is_415_and_none_is_400(api: Api) -> None:
    html: dict[str, str | None] = {"Content-Type": "text/html"}
    api.call("POST", SUBSCRIPTIONS, data="http://127.0.0.1:9/", headers=html, expect=415)
    api.call("POST", SUBSCRIPTIONS, expect=400)
    api.call("POST", SUBSCRIPTIONS, data=b"\xff", headers={**PLAIN}, expect=400)
    api.call("POST", SUBSCRIPTIONS, data="x" * 70_000, headers={**PLAIN}, expect=413)


@pytest.mark.parametrize("role", ["Point.Read", "Point.Publish"])
def test_it_takes_the_role_to_subscribe(api: Api, role: str) -> None:
    body = {"callbackUrl": "http://127.0.0.1:9/"}
    for method, path in (
        ("POST", SUBSCRIPTIONS),
        ("PUT", f"{SUBSCRIPTIONS}/k"),
        ("GET", f"{SUBSCRIPTIONS}/k"),
        ("DELETE", f"{SUBSCRIPTIONS}/k"),
        ("POST", "/v1.0/webhooks/families/storage/subscriptions"),
    ):
        sent = body if method in ("POST", "PUT") else None
        assert "Point.Subscribe" in api.call(method, path, sent, roles=[role], expect=403).json["detail"]


def test_the_schema_of_a_type_is_that_of_its_sample(api: Api) -> None:
    for entry in api.call("GET", "/v1.0/webhooks/types").json["value"]:
        told = api.call("GET", f"/v1.0/webhooks/types/{entry['type']}/schema", roles=["Point.Subscribe"]).json
        assert told["type"] == entry["type"]
        assert told["schema"]["properties"]["type"]["enum"] == [entry["type"]]
        assert told["schema"]["properties"]["content"]["properties"] == told["contentSchema"]["properties"]
        assert entry["sample"].keys() <= told["contentSchema"]["properties"].keys()
        assert set(told["contentSchema"]["required"]) <= entry["sample"].keys()
    assert "properties" not in api.call("GET", "/v1.0/webhooks/types/*/schema").json["contentSchema"]
    assert "properties" not in api.call("GET", "/v1.0/webhooks/types/custom.x/schema").json["contentSchema"]
    assert "siteUrl" in api.call("GET", "/v1.0/webhooks/types/storage.*/schema").json["contentSchema"]["properties"]
    assert "no event type" in api.call("GET", "/v1.0/webhooks/types/nothing/schema", expect=404).json["detail"]


def test_publishable_types_are_those_that_a_caller_may_publish(api: Api) -> None:
    every = {each["type"] for each in api.call("GET", "/v1.0/webhooks/types?publishable=false").json["value"]}
    some = {each["type"] for each in api.call("GET", "/v1.0/webhooks/types?publishable=true").json["value"]}
    assert {name for name in every if name.startswith("webhook.")} == every - some != set()
    api.call("GET", "/v1.0/webhooks/types?publishable=1", expect=400)
