"""Monday 00:00 UTC: new tables, the same deliveries."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.model import DeliveryId, from_ms, to_ms
from shared.outbound.client import NoResponse, Response
from shared.settings import LONGEST_SCHEDULE
from shared.storage.alerts import Malformed
from shared.storage.pages import Filters
from shared.storage.weeks import week_start

from .scene import BUSY, OK, THURSDAY, Scene, an_event

MONDAY = week_start(THURSDAY) + timedelta(days=7)
LAST_SECOND = MONDAY - timedelta(seconds=1)
DELAYS = (timedelta(days=3), timedelta(days=3), timedelta(days=1))


@pytest.mark.parametrize("instance", ["the same", "another"])
@pytest.mark.parametrize("after", [timedelta(), timedelta(seconds=2), timedelta(hours=23, minutes=59)])
def test_a_callers_retry_after_midnight_is_a_duplicate(scene: Scene, instance: str, after: timedelta) -> None:
    scene.register()
    scene.clock.now = LAST_SECOND
    assert not scene.publish(an_event()).duplicate
    scene.dispatch_next()
    scene.clock.now = MONDAY + after
    again = scene if instance == "the same" else scene.elsewhere()
    answer = again.publish(an_event())
    assert (answer.duplicate, answer.deliveries) == (True, 1)
    again.run_in_order()
    assert len(scene.receiver.posts) == 1
    assert len(scene.events()) == 1


def test_a_callers_retry_after_midnight_brings_back_what_was_lost_before(scene: Scene) -> None:
    scene.register()
    scene.clock.now = LAST_SECOND
    scene.publish(an_event())
    [delivery_id] = scene.ids(an_event())
    scene.queue.held.clear()  # the first call died before it put its message
    scene.clock.now = MONDAY + timedelta(minutes=1)
    assert scene.publish(an_event()).duplicate
    scene.run_in_order()
    assert scene.ids(an_event()) == [delivery_id]
    assert scene.row(delivery_id).status == "delivered"
    assert from_ms(delivery_id.accepted_ms) == LAST_SECOND
    endpoint = delivery_id.endpoint
    assert [each for each, _ in scene.app.deliveries.log(endpoint, Filters(), scene.clock.now, 10).items] == [
        delivery_id
    ]


def test_other_content_after_midnight_is_a_conflict_still(scene: Scene) -> None:
    scene.clock.now = LAST_SECOND
    scene.publish(an_event())
    scene.clock.now = MONDAY
    with pytest.raises(AssertionError):
        scene.publish(an_event(content='{"a":2}'))
    assert len(scene.events()) == 1


def test_after_the_time_of_the_promise_the_key_is_free_again(scene: Scene) -> None:
    scene.register()
    scene.clock.now = LAST_SECOND
    scene.publish(an_event())
    scene.clock.now = MONDAY + timedelta(hours=24)
    assert not scene.publish(an_event()).duplicate
    scene.run()
    assert len(scene.receiver.posts) == 2


def slow(scene: Scene) -> DeliveryId:
    """A delivery with the longest schedule that is allowed, across a Monday; its first attempt is made."""
    assert sum(DELAYS, timedelta()) == LONGEST_SCHEDULE
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retry_delays": DELAYS}))
    scene.register()
    scene.publish(an_event())
    scene.dispatch_next()
    return scene.ids(an_event())[0]


@pytest.mark.parametrize("last", [BUSY, OK])
def test_a_chain_of_retries_that_lasts_seven_days_stays_one_delivery(scene: Scene, last: Response | NoResponse) -> None:
    scene.receiver.answers = [BUSY, BUSY, BUSY, last]
    delivery_id = slow(scene)
    scene.run_in_order()
    assert scene.clock.now - THURSDAY >= LONGEST_SCHEDULE
    assert len(scene.receiver.posts) == 4
    row = scene.row(delivery_id)
    assert [attempt.number for attempt in row.attempts] == [1, 2, 3, 4]
    assert row.attempts[-1].started_at > MONDAY
    log = scene.app.deliveries.log(delivery_id.endpoint, Filters(), scene.clock.now, 10).items
    assert log == [(delivery_id, row)]
    lines = [line for line in scene.alerts() if not isinstance(line, Malformed)]
    if last is OK:
        assert (row.status, lines) == ("delivered", [])
    else:
        assert (row.status, lines) == ("failed", [(delivery_id, row)])


def test_a_callers_retry_while_the_chain_waits_starts_no_second_one(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    slow(scene)
    scene.clock.now = MONDAY + timedelta(hours=1)
    event = scene.publish(an_event("sunday"))
    assert not event.duplicate
    assert len(scene.queue.held) == 2
    assert to_ms(scene.clock.now) == scene.ids(an_event("sunday"))[0].accepted_ms
    scene.clock.now = MONDAY - timedelta(hours=1)
    assert scene.publish(an_event()).duplicate
    assert len(scene.queue.held) == 2
