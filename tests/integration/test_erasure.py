"""Erasing one event: what was accepted stays known, what it said does not."""

import json
from datetime import timedelta

import pytest

from doubles.running import dispatch, exhausted
from shared.admin.erasure import erase
from shared.admin.replay import replay
from shared.admin.retry import Refusal, retry
from shared.delivery.publisher import Accepted, Conflict, publish
from shared.model import DeliveryId, Event
from shared.outbound.client import Response

from .scene import OK, THURSDAY, URL, Scene, an_event

SAID = "said-by-the-event"
ANSWERED = "answered-by-the-receiver"
EVENT = an_event(content=json.dumps({"a": SAID}))
FINE, FAILS = Response(200, ANSWERED, None), Response(500, ANSWERED, None)


def erased(scene: Scene, event: Event = EVENT) -> None:
    rows = list(scene.app.events.find_all(event.key, scene.clock.now))
    assert rows
    for row in rows:
        erase(scene.app, row)


def stored_text(scene: Scene) -> str:
    """Everything that all dated tables hold, as text."""
    rows = [
        dict(entity)
        for name in scene.app.services.table_names()
        if name.startswith(("events", "deliveries", "failures"))
        for entity in scene.app.services.table(name).query("PartitionKey ne @none", {"none": ""})
    ]
    return repr(rows)


def delivered(scene: Scene) -> DeliveryId:
    scene.receiver.answers = [FINE]
    scene.register()
    scene.publish(EVENT)
    scene.run_in_order()
    return scene.ids(EVENT)[0]


def test_nothing_stored_says_what_it_said_or_what_was_answered(scene: Scene) -> None:
    delivery_id = delivered(scene)
    assert SAID in stored_text(scene)
    assert ANSWERED in stored_text(scene)
    erased(scene)
    assert SAID not in stored_text(scene)
    assert ANSWERED not in stored_text(scene)
    row = scene.row(delivery_id)
    assert (row.status, row.erased, [attempt.status for attempt in row.attempts]) == ("delivered", True, [200])


def test_of_a_large_event_every_part_goes(scene: Scene) -> None:
    large = an_event("large", content=json.dumps({"a": [SAID] * 12_000}))
    scene.publish(large)
    erased(scene, large)
    assert SAID not in stored_text(scene)
    assert scene.publish(large).duplicate


def test_answers_go_from_replays_too(scene: Scene) -> None:
    delivery_id = delivered(scene)
    endpoint = scene.app.endpoints.all()[0]
    for days in (1, 14):  # one in the same week, one in another
        scene.clock.now = THURSDAY + timedelta(days=days)
        replay(scene.app, endpoint, THURSDAY)
        scene.run_in_order()
    assert len(scene.receiver.posts) == 3
    erased(scene)
    assert ANSWERED not in stored_text(scene)
    ids = scene.app.deliveries.of_event(
        endpoint.id, EVENT.key, delivery_id.event, delivery_id.accepted_ms, scene.clock.now
    )
    assert len(ids) == 3
    assert all(scene.row(each).erased for each in ids)


def test_other_events_keep_theirs(scene: Scene) -> None:
    delivered(scene)
    scene.publish(an_event("other"))
    scene.run_in_order()
    erased(scene)
    assert scene.row(scene.ids(an_event("other"))[0]).attempts[0].response == ANSWERED


def test_publishing_it_again_is_a_duplicate_still_and_other_content_a_conflict(scene: Scene) -> None:
    delivered(scene)
    erased(scene)
    assert publish(scene.app, [EVENT]) == [Accepted("key-1", 1, True)]
    assert publish(scene.app, [an_event(content='{"other":1}')]) == [Conflict("key-1")]
    assert scene.queue.held == []
    assert SAID not in stored_text(scene)


def test_erasing_twice_is_as_erasing_once(scene: Scene) -> None:
    delivery_id = delivered(scene)
    erased(scene)
    before = scene.row(delivery_id)
    erased(scene)
    assert scene.row(delivery_id) == before


def test_one_that_waits_for_its_retry_ends_cancelled(scene: Scene) -> None:
    scene.receiver.answers = [FAILS, OK]
    scene.register()
    scene.publish(EVENT)
    scene.dispatch_next()
    erased(scene)
    scene.run_in_order()
    [delivery_id] = scene.ids(EVENT)
    row = scene.row(delivery_id)
    assert (row.status, row.reason, row.next_attempt_at) == ("cancelled", "the event was erased", None)
    assert len(scene.receiver.posts) == 1
    assert scene.alerts() == []
    assert ANSWERED not in stored_text(scene)


@pytest.mark.parametrize("size", [10, 60_000])
def test_one_that_was_not_attempted_yet_ends_cancelled(scene: Scene, size: int) -> None:
    """Seen late, as after a pause: a fresh message with its event inside is sent without a read of its row."""
    event = an_event(content=json.dumps({"a": SAID * (size // len(SAID) + 1)}))
    scene.register()
    scene.publish(event)
    erased(scene, event)
    scene.clock.move(timedelta(minutes=2))
    scene.run_in_order()
    assert scene.row(scene.ids(event)[0]).status == "cancelled"
    assert scene.receiver.posts == []


def test_of_an_attempt_under_way_the_status_stays_and_the_answer_goes(scene: Scene) -> None:
    scene.receiver.answers = [FINE]
    scene.register()
    scene.publish(EVENT)
    erased(scene)
    scene.run_in_order()
    row = scene.row(scene.ids(EVENT)[0])
    assert (row.status, row.erased, row.attempts[0].response) == ("delivered", True, None)
    assert ANSWERED not in stored_text(scene)


def test_an_attempt_under_way_that_fails_is_the_last(scene: Scene) -> None:
    scene.receiver.answers = [FAILS]
    scene.register()
    scene.publish(EVENT)
    erased(scene)
    scene.run_in_order()
    row = scene.row(scene.ids(EVENT)[0])
    assert (row.status, len(row.attempts)) == ("cancelled", 1)
    assert scene.alerts() == []
    assert ANSWERED not in stored_text(scene)


def test_the_alert_log_keeps_its_line_without_the_answers(scene: Scene) -> None:
    scene.receiver.answers = [FAILS]
    scene.register()
    scene.publish(EVENT)
    scene.run_in_order()
    erased(scene)
    [line] = scene.alerts()
    assert isinstance(line, tuple)
    assert (line[1].status, line[1].erased, len(line[1].attempts)) == ("failed", True, 4)
    assert ANSWERED not in stored_text(scene)


def test_one_that_an_admin_sent_again_leaves_the_alert_log_without_answers(scene: Scene) -> None:
    scene.receiver.answers = [FAILS]
    scene.register()
    scene.publish(EVENT)
    scene.run_in_order()
    [delivery_id] = scene.ids(EVENT)
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    erased(scene)
    scene.run_in_order()
    assert scene.row(delivery_id).status == "cancelled"
    assert scene.alerts() == []
    assert ANSWERED not in stored_text(scene)


def test_it_cannot_be_sent_again(scene: Scene) -> None:
    delivery_id = delivered(scene)
    erased(scene)
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) == Refusal("Its event was erased")
    assert replay(scene.app, scene.app.endpoints.all()[0], THURSDAY).count == 0


def test_copies_of_its_messages_do_nothing(scene: Scene) -> None:
    scene.receiver.answers = [FAILS]
    scene.register()
    scene.publish(EVENT)
    text = scene.queue.held[0][0]
    scene.dispatch_next()
    scene.queue.held.clear()
    erased(scene)
    posts = len(scene.receiver.posts)
    dispatch(scene.app, text.encode(), 2)
    exhausted(scene.app, text.encode(), scene.clock.now)
    assert len(scene.receiver.posts) == posts
    assert scene.queue.held == scene.poison.held == []
    assert scene.alerts() == []


def test_a_key_that_was_used_again_in_a_later_week_is_erased_in_both(scene: Scene) -> None:
    scene.receiver.answers = [FINE]
    scene.register()
    for weeks in range(2):
        scene.clock.now = THURSDAY + timedelta(days=7 * weeks)
        assert not scene.publish(EVENT).duplicate
        scene.run_in_order()
    erased(scene)
    assert SAID not in stored_text(scene)
    assert ANSWERED not in stored_text(scene)


def test_every_endpoint_of_the_event_is_seen_to(scene: Scene) -> None:
    scene.receiver.answers = [FINE]
    for url in (URL, "https://other.example/"):
        scene.register(url)
    scene.publish(EVENT)
    scene.run_in_order()
    gone = scene.app.endpoints.all()[0]
    scene.app.endpoints.delete(gone.id)
    erased(scene)
    assert len(scene.ids(EVENT)) == 2
    assert all(scene.row(each).erased for each in scene.ids(EVENT))
    assert ANSWERED not in stored_text(scene)
