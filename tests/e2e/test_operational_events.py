"""The app tells of its own troubles by `webhook.*` events, to endpoints that name them."""

import json
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from doubles.hooks import Hook, Received

from .api import ENDPOINTS, Json, custom
from .conftest import App
from .test_subscribers import BOB, Subscriber


@pytest.fixture(scope="module")
def operators(app: App) -> Iterator[tuple[Hook, Hook, Json]]:
    """A hook that names them, one that asks for everything, and the endpoint of the first."""
    named, star = app.receiver.hook(), app.receiver.hook()
    endpoints = [app.api.register(named.url, "webhook.*"), app.api.register(star.url, "*")]
    yield named, star, endpoints[0]
    for endpoint in endpoints:
        app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def about(hook: Hook, endpoint: Json) -> list[tuple[Received, Json]]:
    """What told of an endpoint."""
    found = [(each, json.loads(each.body)) for each in list(hook.received)]
    return [(each, body) for each, body in found if body["content"].get("endpointId") == endpoint["id"]]


def told(hook: Hook, endpoint: Json) -> tuple[Received, Json]:
    """The one delivery that tells of an endpoint, once it has come."""
    assert hook.wait_until(lambda: bool(about(hook, endpoint)), 20), "nothing was told"
    return about(hook, endpoint)[0]


def test_a_delivery_that_failed(app: App, operators: tuple[Hook, Hook, Json]) -> None:
    named, star, operator = operators
    stranger = Subscriber(app.api.base, app.api.key, BOB)
    ears = stranger.register(app.receiver.hook().url, "webhook.*")
    bad = app.api.register(app.receiver.hook(500).url, "custom.trouble")
    key = app.api.publish(custom("custom.trouble"))["idempotencyKey"]
    delivery_id = app.api.delivery_id(key, bad)
    received, body = told(named, bad)
    assert body["type"] == "webhook.delivery_failed"
    assert body["content"] == {
        "deliveryId": delivery_id,
        "endpointId": bad["id"],
        "eventType": "custom.trouble",
        "idempotencyKey": key,
        "attempts": 4,
        "reason": "the receiver answered 500",
        "count": 1,
    }
    secret = app.api.call("GET", f"{ENDPOINTS}/{operator['id']}/secret").json["secret"]
    assert Webhook(secret).verify(received.body, dict(received.headers)) == body
    kept = app.api.event(received.key)
    assert (kept["severity"], kept["tenant"]["id"]) == ("medium", "contoso")
    told_to = {each["endpointId"] for each in kept["deliveries"]}
    assert operator["id"] in told_to
    assert ears["id"] not in told_to, "a subscriber hears of its own endpoints alone"
    stranger.call("DELETE", f"{ENDPOINTS}/{ears['id']}", expect=204)
    stranger.close()
    star.wait(key=key)
    assert about(star, bad) == [], "* does not ask for webhook.*"
    app.api.call("DELETE", f"{ENDPOINTS}/{bad['id']}", expect=204)


def test_an_endpoint_that_was_disabled_by_410_and_is_enabled_again(
    app: App, operators: tuple[Hook, Hook, Json]
) -> None:
    named, star, _ = operators
    hook = app.receiver.hook(410, 200)
    gone = app.api.register(hook.url, "custom.gone")
    path = f"{ENDPOINTS}/{gone['id']}"
    app.api.publish(custom("custom.gone"))
    received, body = told(named, gone)
    assert body["type"] == "webhook.endpoint_disabled"
    assert body["content"] == {"endpointId": gone["id"], "reason": "the receiver answered 410 Gone"}
    assert app.api.event(received.key)["severity"] == "high"
    health = app.api.call("GET", path).json["health"]
    assert (health["state"], health["disabledReason"]) == ("disabled", "the receiver answered 410 Gone")
    assert app.api.publish(custom("custom.gone"))["deliveries"] == 1, "to the one that asks for everything"
    assert app.api.call("PATCH", path, {"enabled": True}).json["health"] == {"state": "healthy"}
    hook.answer(200)
    event = custom("custom.gone")
    app.api.publish(event)
    hook.wait(key=event["meta"]["idempotencyKey"])
    assert about(star, gone) == []
    assert len(about(named, gone)) == 1
    app.api.call("DELETE", path, expect=204)


def test_nobody_else_can_publish_them(app: App) -> None:
    for name in ("webhook.delivery_failed", "webhook.endpoint_failing", "webhook.endpoint_disabled"):
        problem = app.api.publish({"type": name, "content": {"endpointId": "x", "reason": "y"}}, expect=400)
        assert "itself" in problem["detail"]
