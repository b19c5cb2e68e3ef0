"""Another try for a delivery that has come to an end."""

from datetime import timedelta

from doubles.running import dispatch, exhausted
from shared.admin.retry import LOST_AFTER, Refusal, retry
from shared.delivery.schedule import JITTER
from shared.model import Delivery

from .scene import BUSY, OK, THURSDAY, Scene, an_event
from .test_exhausted import failed_delivery, lines

SCHEDULE = timedelta(seconds=30 + 120 + 600)


def test_a_retry_that_succeeds_takes_the_line_from_the_alert_log(scene: Scene) -> None:
    delivery_id = failed_delivery(scene)
    scene.receiver.answers = [BUSY, OK]
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    assert scene.row(delivery_id).status == "pending"
    assert scene.dispatch_next() == timedelta()
    assert 30 <= scene.dispatch_next().total_seconds() <= 30 * (1 + JITTER)
    row = scene.row(delivery_id)
    assert (row.status, [attempt.number for attempt in row.attempts]) == ("delivered", [1, 2, 3, 4, 5, 6])
    assert scene.alerts() == []
    endpoint = scene.app.endpoints.get(delivery_id.endpoint)
    assert endpoint is not None
    assert endpoint.health.state == "healthy"
    assert endpoint.health.last_success_at is not None


def test_a_retry_that_fails_to_the_end_renews_its_one_line(scene: Scene) -> None:
    delivery_id = failed_delivery(scene)
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run()
    assert lines(scene) == [(delivery_id, scene.row(delivery_id))]
    assert scene.row(delivery_id).last_number == 8


def test_asked_twice_a_retry_is_made_once(scene: Scene) -> None:
    delivery_id = failed_delivery(scene)
    scene.receiver.answers = [OK]
    row, posts = scene.row(delivery_id), len(scene.receiver.posts)
    assert retry(scene.app, delivery_id, row) is None
    assert retry(scene.app, delivery_id, row) is None
    scene.run()
    assert len(scene.receiver.posts) == posts + 1


def test_a_retry_after_a_crash_of_the_dispatcher_takes_the_line_from_the_alert_log(scene: Scene) -> None:
    scene.register()
    scene.publish(an_event())
    exhausted(scene.app, scene.queue.take()[0].encode(), THURSDAY)
    delivery_id = scene.ids(an_event())[0]
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run()
    assert scene.row(delivery_id).status == "delivered"
    assert scene.alerts() == []


def test_what_is_delivered_or_under_way_or_has_no_endpoint_is_not_tried_again(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    scene.register()
    scene.publish(an_event())
    scene.dispatch_next()
    delivery_id = scene.ids(an_event())[0]
    assert "still on its way" in str(retry(scene.app, delivery_id, scene.row(delivery_id)))
    scene.run()
    scene.change(delivery_id.endpoint, enabled=False)
    assert "enable it first" in str(retry(scene.app, delivery_id, scene.row(delivery_id)))
    scene.app.endpoints.delete(delivery_id.endpoint)
    assert "not registered any more" in str(retry(scene.app, delivery_id, scene.row(delivery_id)))
    assert retry(
        scene.app, delivery_id, Delivery(**{**dict(scene.row(delivery_id)), "status": "delivered"})
    ) == Refusal("It was delivered already")
    assert scene.queue.held == []


def test_a_delivery_whose_message_was_lost_can_be_tried_again(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    scene.register()
    scene.publish(an_event())
    scene.dispatch_next()
    scene.queue.held.clear()
    delivery_id = scene.ids(an_event())[0]
    scene.clock.move(timedelta(seconds=29) + SCHEDULE + scene.app.settings.breaker_grace + LOST_AFTER)
    assert "still on its way" in str(retry(scene.app, delivery_id, scene.row(delivery_id)))
    scene.clock.move(timedelta(seconds=4) + 30 * JITTER * timedelta(seconds=1))
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    assert len(scene.queue.held) == 1


def test_a_retry_after_a_new_registration_belongs_to_it(scene: Scene) -> None:
    delivery_id = failed_delivery(scene)
    scene.app.endpoints.delete(delivery_id.endpoint)
    scene.register()
    scene.receiver.answers = [OK]
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run()
    assert scene.row(delivery_id).status == "delivered"


def test_a_success_elsewhere_ends_the_failing_time(scene: Scene) -> None:
    delivery_id = failed_delivery(scene)
    scene.receiver.answers = [OK]
    scene.publish(an_event("next"))
    text, _ = scene.queue.take()
    dispatch(scene.elsewhere().app, text.encode(), 1)
    endpoint = scene.app.endpoints.read(delivery_id.endpoint)
    assert endpoint is not None
    assert endpoint.health.state == "healthy"
