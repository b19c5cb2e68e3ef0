"""Ordered endpoints: how the API takes and shows them, and what waits, on a real storage account."""

from datetime import timedelta

import pytest

from shared.api import deliveries, endpoints, subscriptions
from shared.delivery.succession import OVERDUE, WAITS, tend
from shared.model import Event
from shared.model.json_text import dump

from .api import Api
from .conftest import Calls
from .scene import BUSY, OK, Scene, an_event

LOOPBACK_URL = "http://127.0.0.1:9/ordered"


def about(key: str, site: str = "hr") -> Event:
    return an_event(key, content=dump({"siteUrl": f"https://contoso.sharepoint.com/sites/{site}"}))


def keys_of(scene: Scene) -> list[str]:
    return [headers["webhook-id"] for _, headers, _ in scene.receiver.posts]


def test_it_is_registered_shown_kept_and_taken_back(api: Api) -> None:
    shown = api.registered(LOOPBACK_URL, ordered=True)
    assert shown["ordered"] is True
    assert api.registered(LOOPBACK_URL, name="renamed")["ordered"] is True
    for nothing in (False, None):
        assert "ordered" not in api(endpoints.change, {"ordered": nothing}, route=shown["id"]).body
        assert api(endpoints.change, {"ordered": True}, route=shown["id"]).body["ordered"] is True


def test_a_subscription_takes_it_too(api: Api) -> None:
    answer = api(subscriptions.create, {"callbackUrl": LOOPBACK_URL, "ordered": True})
    assert (answer.status, answer.body["ordered"]) == (201, True)


@pytest.mark.parametrize("value", ["true", 1, "yes"])
def test_only_true_and_false_are_taken(api: Api, value: object) -> None:
    answer = api(endpoints.register, {"endpoint": LOOPBACK_URL, "types": ["*"], "ordered": value})
    assert answer.status == 400
    assert "ordered" in answer.text


def test_what_waits_is_in_the_delivery_log_and_comes_in_order(api: Api) -> None:
    scene = api.scene
    endpoint = scene.register(ordered=True)
    scene.receiver.answers = [BUSY, OK]
    for key in ("one", "two", "three"):
        scene.publish(about(key))
    assert len(scene.queue.held) == 1
    shown = api(deliveries.get, route=str(scene.ids(about("two"))[0])).body
    assert (shown["status"], shown["reason"], shown["attempts"]) == ("pending", WAITS, [])
    listed = api(deliveries.list_some, endpoint=endpoint.id, status="pending").body["value"]
    assert {each["idempotencyKey"] for each in listed} == {"two", "three"}
    scene.run()
    assert keys_of(scene) == ["one", "one", "two", "three"]
    assert {scene.row(scene.ids(about(key))[0]).status for key in ("one", "two", "three")} == {"delivered"}
    assert not list(scene.app.services.table("sequences").query("PartitionKey eq @id", {"id": endpoint.id}))


def test_one_that_is_found_dead_goes_on(scene: Scene) -> None:
    scene.register(ordered=True)
    scene.publish(about("one"))
    scene.publish(about("two"))
    scene.queue.held.clear()
    scene.clock.move(OVERDUE - timedelta(seconds=1))
    tend(scene.app)
    assert not scene.queue.held
    scene.clock.move(timedelta(seconds=2))
    tend(scene.app)
    scene.run()
    assert keys_of(scene) == ["one", "two"]


def test_the_timer_needs_no_table(scene: Scene) -> None:
    tend(scene.app)


def test_another_instance_goes_on_where_the_first_left_off(scene: Scene) -> None:
    scene.register(ordered=True)
    scene.receiver.answers = [BUSY, OK]
    scene.publish(about("one"))
    other = scene.elsewhere()
    other.publish(about("two"))
    scene.dispatch_next()
    scene.publish(about("three"))
    other.run()
    assert keys_of(scene) == ["one", "one", "two", "three"]


def of_sequences(calls: Calls) -> list[str]:
    return [method for method, path in calls if path.startswith("sequences")]


def test_what_it_costs_and_that_others_pay_nothing(scene: Scene, calls: Calls) -> None:
    endpoint = scene.register(ordered=False)
    scene.publish(about("one"))
    scene.run()
    assert of_sequences(calls) == []
    scene.change(endpoint.id, ordered=True)
    scene.publish(about("warm"))
    scene.run()
    calls.clear()
    scene.publish(about("two"))
    scene.run()
    assert of_sequences(calls) == ["POST", "GET", "DELETE"]
