"""Whole weeks are dropped when they ended long enough ago, and nothing brings them back."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doubles.running import dispatch, exhausted
from shared.admin.replay import replay
from shared.model import Attempt, to_ms
from shared.storage.messages import decode, encode
from shared.storage.pages import Filters
from shared.storage.retention import drop_old_tables
from shared.storage.weeks import WEEK, table_name, week_start

from .conftest import Calls
from .scene import BUSY, THURSDAY, Scene, an_event

KEPT = timedelta(days=30 + 14)
MONDAY = week_start(THURSDAY)
PREFIXES = ("events", "deliveries", "failures")


def tables_of(week: int) -> set[str]:
    """`week` weeks after that of THURSDAY."""
    return {table_name(prefix, to_ms(MONDAY + week * WEEK)) for prefix in PREFIXES}


def drop(scene: Scene) -> set[str]:
    return set(drop_old_tables(scene.app.services, scene.clock.now, scene.app.settings.retention))


@pytest.mark.parametrize(
    ("after_its_end", "dropped"),
    [(timedelta(), False), (KEPT - timedelta(seconds=1), False), (KEPT, False), (KEPT + timedelta(seconds=1), True)],
)
def test_a_week_is_dropped_when_all_of_it_is_older_than_retention_and_grace(
    scene: Scene, after_its_end: timedelta, dropped: bool
) -> None:
    scene.publish(an_event())
    scene.clock.now = MONDAY + WEEK + after_its_end
    assert drop(scene) == (tables_of(0) if dropped else set())
    assert (tables_of(0) <= set(scene.app.services.table_names())) is not dropped


def test_only_weeks_that_ended_long_enough_ago_go_and_all_else_stays(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    others = {"eventsource", "events2026", "events202611161", "deliveriesx20201116", "x20201116"}
    for name in others:
        scene.app.services.table(name).create()
    scene.register()
    for week in range(12):
        scene.clock.now = THURSDAY + week * WEEK
        scene.publish(an_event(f"key-{week}"))
    scene.run_in_order()
    before = set(scene.app.services.table_names())
    caplog.set_level("INFO", "tenant_hooks")
    caplog.clear()
    gone = set().union(*(tables_of(week) for week in range(5)))  # week 4 ended 45 days before, week 5 38 days
    scene.clock.now = MONDAY + 11 * WEEK + timedelta(days=3)
    assert drop(scene) == gone
    assert set(scene.app.services.table_names()) == before - gone
    assert others | {"endpoints", "options"} <= before - gone
    logged = [json.loads(record.message) for record in caplog.records if "table.dropped" in record.message]
    assert {line["table"] for line in logged} == gone
    assert drop(scene) == set(), "a second run has nothing to do"
    endpoint = scene.app.endpoints.all()[0].id
    kept = scene.app.deliveries.log(endpoint, Filters(), scene.clock.now, 100).items
    assert [row.key for _, row in kept] == [f"key-{week}" for week in range(11, 4, -1)]
    assert scene.app.events.find("key-4", scene.clock.now) is None
    assert scene.app.events.find("key-5", scene.clock.now) is not None


def test_retention_days_count(scene: Scene) -> None:
    scene.publish(an_event())
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retention": timedelta(days=100)}))
    scene.clock.now = MONDAY + WEEK + timedelta(days=114)
    assert drop(scene) == set()
    scene.clock.move(timedelta(seconds=1))
    assert drop(scene) == tables_of(0)


def dropped_meanwhile(scene: Scene, calls: Calls) -> None:
    """The week of what is on the queue passes retention, as after a pause of weeks."""
    scene.clock.now = MONDAY + WEEK + KEPT + timedelta(seconds=1)
    assert drop(scene)
    scene.app.options.signature_key(scene.clock.now)  # makes its own table on first use
    calls.clear()


def assert_nothing_came_back(scene: Scene, calls: Calls) -> None:
    assert scene.queue.held == []
    assert not tables_of(0) & set(scene.app.services.table_names())
    assert not [call for call in calls if call == ("POST", "Tables")], "nobody tried to make a table"


def test_a_first_attempt_of_a_dropped_week_ends_quietly(scene: Scene, calls: Calls) -> None:
    scene.register()
    scene.publish(an_event())
    dropped_meanwhile(scene, calls)
    dispatch(scene.app, scene.queue.take()[0].encode(), 1)
    assert scene.poison.held == []
    assert_nothing_came_back(scene, calls)


def test_a_retry_of_a_dropped_week_ends_quietly(scene: Scene, calls: Calls) -> None:
    scene.receiver.answers = [BUSY]
    scene.register()
    scene.publish(an_event())
    scene.dispatch_next()
    dropped_meanwhile(scene, calls)
    dispatch(scene.app, scene.queue.take()[0].encode(), 1)
    assert scene.poison.held == []
    assert_nothing_came_back(scene, calls)


def test_an_attempt_of_a_dropped_week_ends_in_the_alert_log_of_now(scene: Scene, calls: Calls) -> None:
    """Such a message says nothing of the event either."""
    scene.register()
    scene.publish(an_event())
    message = decode(scene.queue.take()[0].encode())
    made = Attempt(number=1, started_at=THURSDAY, duration_ms=5, status=500, token="t")
    text = encode(message.model_copy(update={"made": made, "event": None}))
    dropped_meanwhile(scene, calls)
    dispatch(scene.app, text.encode(), 1)
    assert_nothing_came_back(scene, calls)
    scene.exhaust_next()
    assert len(scene.alerts()) == 1
    assert not tables_of(0) & set(scene.app.services.table_names())


def test_a_cancellation_in_a_dropped_week_ends_quietly(scene: Scene, calls: Calls) -> None:
    endpoint = scene.register()
    scene.publish(an_event())
    scene.change(endpoint.id, enabled=False)
    dropped_meanwhile(scene, calls)
    dispatch(scene.app, scene.queue.take()[0].encode(), 1)
    assert scene.receiver.posts == []
    assert scene.poison.held == []
    assert_nothing_came_back(scene, calls)


def test_a_large_event_of_a_dropped_week_ends_in_the_alert_log_of_now(scene: Scene, calls: Calls) -> None:
    """Its message says nothing of the event, so there is nothing to send; but it was accepted, so it is told of."""
    scene.register()
    scene.publish(an_event(content=json.dumps({"a": "x" * 60_000})))
    dropped_meanwhile(scene, calls)
    dispatch(scene.app, scene.queue.take()[0].encode(), 1)
    scene.exhaust_next()
    assert scene.receiver.posts == []
    assert len(scene.alerts()) == 1
    assert scene.queue.held == []
    assert not tables_of(0) & set(scene.app.services.table_names())


def test_a_poison_message_of_a_dropped_week_is_kept_once(scene: Scene, calls: Calls) -> None:
    scene.receiver.answers = [BUSY]
    scene.register()
    scene.publish(an_event())
    while scene.queue.held:
        scene.dispatch_next()
    dropped_meanwhile(scene, calls)
    for _ in range(2):
        exhausted(scene.app, scene.poison.held[0][0].encode(), scene.clock.now)
    assert len(scene.alerts()) == 1
    assert not tables_of(0) & set(scene.app.services.table_names())


def test_a_replay_of_what_was_replayed_after_its_event_was_dropped(scene: Scene, calls: Calls) -> None:
    """A replay is kept for as long as any delivery, its event is not: then there is nothing left to send."""
    endpoint = scene.register()
    scene.publish(an_event())
    scene.run_in_order()
    scene.clock.now = THURSDAY + timedelta(days=30)
    assert replay(scene.app, endpoint, THURSDAY).count == 1
    scene.run_in_order()
    dropped_meanwhile(scene, calls)
    assert replay(scene.app, endpoint, THURSDAY).count == 0
    assert scene.queue.held == []
