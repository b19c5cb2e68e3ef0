"""`DELETE /v1.0/events/{key}`: what an event said is gone before its retention ends."""

from collections.abc import Iterator

import pytest

from doubles.hooks import Answer, Hook

from .api import DELIVERIES, ENDPOINTS, Json, custom
from .conftest import App

SAID, ANSWERED = "said-by-the-event", "answered-by-the-receiver"


@pytest.fixture
def erasable(app: App) -> Iterator[tuple[Hook, Json]]:
    hook = app.receiver.hook(Answer(200, body=ANSWERED))
    endpoint = app.api.register(hook.url, "custom.erased")
    yield hook, endpoint
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_a_delivered_event(app: App, erasable: tuple[Hook, Json]) -> None:
    hook, endpoint = erasable
    event = custom("custom.erased", text=SAID)
    key = app.api.publish(event)["idempotencyKey"]
    delivery_id = app.api.delivery_id(key, endpoint)
    assert ANSWERED in str(app.api.ended(delivery_id, "delivered"))
    app.api.call("DELETE", f"/v1.0/events/{key}", roles=["Point.Publish", "Point.Read"], expect=403)
    assert app.api.call("DELETE", f"/v1.0/events/{key}", expect=204).text == ""
    known = app.api.event(key)
    assert (known["content"], known["erased"], known["type"]) == ({}, True, "custom.erased")
    assert [each["status"] for each in known["deliveries"]] == ["delivered"]
    delivery = app.api.delivery(delivery_id)
    assert ANSWERED not in str(delivery)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [200]
    assert ANSWERED not in str(app.api.pages(f"endpoint={endpoint['id']}"))
    assert app.api.publish(event) == {"idempotencyKey": key, "deliveries": 1, "duplicate": True}
    app.api.publish({**event, "content": {"text": "other"}}, expect=409)
    problem = app.api.call("POST", f"{DELIVERIES}/{delivery_id}/retry", expect=409).json
    assert "erased" in problem["detail"]
    app.api.call("DELETE", f"/v1.0/events/{key}", expect=204)
    assert len(hook.received) == 1


def test_one_that_waits_for_its_retry_ends_cancelled(app: App, erasable: tuple[Hook, Json]) -> None:
    hook, endpoint = erasable
    hook.answer(Answer(503, body=ANSWERED, headers={"Retry-After": "3"}), 200)
    key = app.api.publish(custom("custom.erased", text=SAID))["idempotencyKey"]
    delivery_id = app.api.delivery_id(key, endpoint)
    hook.wait()
    app.host.wait_for("delivery.attempted", deliveryId=delivery_id)
    app.api.ended(delivery_id, "pending")
    app.api.call("DELETE", f"/v1.0/events/{key}", expect=204)
    delivery = app.api.delivery(delivery_id)
    assert delivery["status"] == "cancelled"
    assert "erased" in delivery["reason"]
    assert ANSWERED not in str(delivery)
    later = custom("custom.erased")
    hook.answer(Answer(503, headers={"Retry-After": "4"}), 200)
    app.api.publish(later)
    hook.wait(2, key=later["meta"]["idempotencyKey"])
    assert len(hook.of(key)) == 1, "a retry that was due before this one was not made"
    assert delivery_id not in [line["id"] for line in app.api.alerts()]


def test_an_unknown_event_is_404(app: App) -> None:
    for key in ("no-such-key", "é", "a b"):
        app.api.call("DELETE", f"/v1.0/events/{key}", expect=404)
