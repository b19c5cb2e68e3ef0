"""Endpoints that change, and events that are erased, while deliveries to them are on their way."""

import json
from datetime import timedelta

import pytest

from doubles.running import dispatch, dispatch_at_once, exhausted
from shared.admin.erasure import erase
from shared.admin.retry import retry
from shared.outbound.client import Response

from .scene import BUSY, URL, Scene, an_event
from .test_dispatch import published

GONE = Response(410, None, None)


def test_410_cancels_the_delivery_and_disables_the_endpoint(scene: Scene) -> None:
    scene.receiver.answers = [Response(410, None, None)]
    delivery_id = published(scene)
    scene.publish(an_event("waiting"))
    scene.dispatch_next()
    row = scene.row(delivery_id)
    assert (row.status, row.reason) == ("cancelled", "the receiver answered 410 Gone")
    endpoint = scene.app.endpoints.get(delivery_id.endpoint)
    assert endpoint is not None
    assert (endpoint.health.state, endpoint.receives) == ("disabled", False)
    scene.dispatch_next()
    assert scene.row(scene.ids(an_event("waiting"))[0]).status == "cancelled"
    assert len(scene.receiver.posts) == 1
    assert scene.alerts() == []
    assert scene.publish(an_event("later")).deliveries == 0
    scene.change(endpoint.id, enabled=True)
    assert scene.publish(an_event("enabled")).deliveries == 1


@pytest.mark.parametrize("how", ["deleted", "disabled", "registered again"])
def test_deliveries_of_an_endpoint_that_is_gone_end_cancelled_outside_the_alert_log(scene: Scene, how: str) -> None:
    scene.receiver.answers = [BUSY]
    delivery_id = published(scene)
    scene.dispatch_next()
    if how == "disabled":
        scene.change(delivery_id.endpoint, enabled=False)
    else:
        assert scene.app.endpoints.delete(delivery_id.endpoint)
    if how == "registered again":
        scene.clock.move(timedelta(seconds=1))
        scene.register()
    scene.dispatch_next()
    row = scene.row(delivery_id)
    assert row.status == "cancelled"
    assert how in str(row.reason)
    assert len(scene.receiver.posts) == 1
    assert scene.alerts() == []
    assert scene.queue.held == scene.poison.held == []


def test_url_and_secret_are_the_current_ones_and_the_format_that_of_publishing(scene: Scene) -> None:
    delivery_id = published(scene)
    scene.change(delivery_id.endpoint, format="spscan")
    scene.dispatch_next()
    assert set(json.loads(scene.receiver.posts[0][2])) == {"type", "content", "meta"}


def test_a_late_copy_of_a_cancelled_delivery_is_not_sent(scene: Scene) -> None:
    delivery_id = published(scene)
    scene.publish(an_event())  # the caller's own retry: a copy, hidden 120 s
    scene.change(delivery_id.endpoint, enabled=False)
    scene.dispatch_next()
    assert scene.row(delivery_id).status == "cancelled"
    scene.change(delivery_id.endpoint, enabled=True)
    scene.dispatch_next()
    assert scene.receiver.posts == []
    assert scene.row(delivery_id).status == "cancelled"


def test_a_late_copy_of_a_failed_first_attempt_is_not_sent(scene: Scene) -> None:
    """Only a message of an admin's retry revives a delivery that has ended; a copy of its first message did too."""
    delivery_id = published(scene)
    text, _ = scene.queue.take()
    exhausted(scene.app, text.encode(), scene.clock.now)  # its first attempt never came to a record
    assert scene.row(delivery_id).status == "failed"
    scene.clock.move(timedelta(minutes=5))
    for dequeue_count in (1, 2):
        dispatch(scene.app, text.encode(), dequeue_count)
    assert scene.receiver.posts == []
    assert scene.queue.held == []
    assert scene.row(delivery_id).status == "failed"
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run()
    assert (scene.row(delivery_id).status, len(scene.receiver.posts)) == ("delivered", 1)


def test_a_cancelled_delivery_is_revived_by_who_asks_for_it(scene: Scene) -> None:
    delivery_id = published(scene)
    scene.change(delivery_id.endpoint, enabled=False)
    scene.dispatch_next()
    scene.change(delivery_id.endpoint, enabled=True)
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run()
    assert (scene.row(delivery_id).status, len(scene.receiver.posts)) == ("delivered", 1)


@pytest.mark.parametrize("seen", ["nothing yet", "disabled", "another generation"])
def test_a_stale_snapshot_cancels_nothing(scene: Scene, seen: str) -> None:
    """Registered or enabled through one instance, its first message handled by another: it was cancelled there."""
    elsewhere = scene.elsewhere().app
    if seen == "disabled":
        scene.register(enabled=False)
    elif seen == "another generation":
        scene.register()
    assert len(elsewhere.endpoints.all()) == (seen != "nothing yet")
    if seen == "another generation":
        scene.app.endpoints.delete(elsewhere.endpoints.all()[0].id)
        scene.clock.move(timedelta(seconds=1))
    scene.register(enabled=True)
    assert scene.publish(an_event()).deliveries == 1
    dispatch(elsewhere, scene.queue.take()[0].encode(), 1)
    assert len(scene.receiver.posts) == 1
    assert scene.row(scene.ids(an_event())[0]).status == "delivered"


@pytest.mark.parametrize("cut_short", [False, True])
def test_an_erased_event_is_not_delivered_by_a_repeated_publish(scene: Scene, cut_short: bool) -> None:
    """Where the erasure had not come to the deliveries, a message without content was put for each of them."""
    delivery_id = published(scene)
    scene.queue.held.clear()
    row = scene.app.events.find("key-1", scene.clock.now)
    assert row is not None
    if cut_short:
        scene.app.events.erase(row)
    else:
        erase(scene.app, row)
        assert scene.row(delivery_id).status == "cancelled"
    assert scene.publish(an_event()).duplicate
    assert scene.queue.held == []


# 410 Gone


def test_a_410_of_an_old_generation_disables_nothing(scene: Scene) -> None:
    delivery_id = published(scene)
    scene.register("https://ops.example/", types=("webhook.*",))

    def register_again() -> None:
        scene.app.endpoints.delete(delivery_id.endpoint)
        scene.clock.move(timedelta(seconds=1))
        scene.register()

    scene.receiver.answers, scene.receiver.before = [GONE], register_again
    scene.dispatch_next()
    scene.receiver.before = lambda: None
    assert (scene.row(delivery_id).status, scene.row(delivery_id).gone) == ("cancelled", True)
    endpoint = scene.app.endpoints.read(delivery_id.endpoint)
    assert endpoint is not None
    assert endpoint.receives
    assert scene.events("webhook.") == []
    assert scene.publish(an_event("next")).deliveries == 1


def test_three_410s_at_once_announce_one_disabled_endpoint(scene: Scene) -> None:
    published(scene)
    for number in range(2):
        scene.publish(an_event(f"more-{number}"))
    bodies = [scene.queue.take()[0].encode() for _ in range(3)]
    scene.register("https://ops.example/", types=("webhook.*",))
    scene.receiver.by_url[URL] = GONE
    scene.receiver.before = lambda: scene.clock.move(timedelta(milliseconds=1))
    dispatch_at_once(scene.app, bodies)
    [event] = scene.events("webhook.")
    assert event.type == "webhook.endpoint_disabled"
    scene.run_in_order()
    assert len(scene.receiver.of("https://ops.example/")) == 1
