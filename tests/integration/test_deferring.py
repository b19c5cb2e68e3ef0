"""Messages that wait because of their endpoint: behind an open breaker, for a slot, or for its pace."""

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from doubles.running import dispatch
from shared.admin.retry import retry
from shared.delivery.gate import DEFERRED_SECONDS, PACED_LONGEST
from shared.model import from_ms
from shared.outbound.breaker import OPENS_AFTER, PROBE_FACTORS
from shared.outbound.bulkhead import Bulkhead
from shared.outbound.client import Response
from shared.storage.alerts import Malformed
from shared.storage.messages import decode

from .scene import BUSY, OK, THURSDAY, URL, Scene, an_event

SCHEDULE = timedelta(seconds=30 + 120 + 600)
SLACK = timedelta(seconds=1)
PROBE_EVERY, GRACE = timedelta(seconds=60), timedelta(minutes=15)
"""The defaults of the settings."""
TOO_MANY = Response(429, "slower", timedelta(seconds=30))


def with_open_breaker(scene: Scene) -> None:
    """OPENS_AFTER deliveries have failed once, and wait for their second attempt."""
    scene.receiver.by_url[URL] = BUSY
    scene.register()
    for number in range(OPENS_AFTER):
        scene.publish(an_event(f"opens-{number}"))
        dispatch(scene.app, scene.queue.held.pop()[0].encode(), 1)
    assert len(scene.receiver.posts) == OPENS_AFTER


def test_behind_an_open_breaker_a_message_is_put_back_unspent(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tenant_hooks")
    with_open_breaker(scene)
    assert '"event": "breaker.opened"' in caplog.text
    scene.queue.held.clear()
    scene.publish(an_event())
    before = decode(scene.queue.held[0][0].encode())
    dispatch(scene.app, scene.queue.take()[0].encode(), 1)
    [(text, hidden)] = scene.queue.held
    after = decode(text.encode())
    assert hidden == PROBE_EVERY
    changes = {"possible_duplicate": True, "due_at": scene.clock.now + PROBE_EVERY, "deferrals": 1}
    assert after == before.model_copy(update=changes)
    assert after.event == an_event()
    assert len(scene.receiver.posts) == OPENS_AFTER
    assert scene.app.deliveries.get(scene.ids(an_event())[0]) is None
    assert '"event": "delivery.deferred"' in caplog.text


def test_another_endpoint_is_not_deferred(scene: Scene) -> None:
    with_open_breaker(scene)
    scene.queue.held.clear()
    scene.register("https://well.example/", types=("custom.well",))
    scene.publish(an_event(type="custom.well"))
    for text, _ in [scene.queue.take() for _ in list(scene.queue.held)]:
        dispatch(scene.app, text.encode(), 1)
    assert len(scene.receiver.of("https://well.example/")) == 1
    assert len(scene.receiver.of(URL)) == OPENS_AFTER


def test_while_it_fails_an_endpoint_is_asked_less_and_less(scene: Scene) -> None:
    asked_at: list[datetime] = []
    with_open_breaker(scene)
    scene.receiver.posts.clear()
    for number in range(10):
        scene.publish(an_event(f"waits-{number}"))
    opened_at, seen, most = scene.clock.now, 0, 0
    while scene.clock.now < opened_at + timedelta(minutes=10):
        most = max(most, scene.dispatch_earliest().deferrals)
        if len(scene.receiver.posts) > seen:
            seen = len(scene.receiver.posts)
            asked_at.append(scene.clock.now)
    pauses = [after - before for before, after in zip([opened_at, *asked_at], asked_at, strict=False)]
    wanted = [PROBE_EVERY * factor for factor in PROBE_FACTORS]
    assert len(pauses) >= 3
    assert all(least <= pause <= least + SLACK for least, pause in zip(wanted, pauses, strict=False))
    assert most <= 2 * len(asked_at)


def test_when_the_endpoint_is_well_again_all_that_waited_arrive_with_no_attempt_lost(scene: Scene) -> None:
    with_open_breaker(scene)
    waiting = [an_event(f"waits-{number}") for number in range(10)]
    for event in waiting:
        scene.publish(event)
    well_at = scene.clock.now + PROBE_EVERY / 2
    scene.run_in_order(lambda: scene.clock.now < well_at)
    scene.receiver.by_url[URL] = OK
    scene.run_in_order()
    rows = [scene.row(scene.ids(event)[0]) for event in waiting]
    assert {row.status for row in rows} == {"delivered"}
    assert {len(row.attempts) for row in rows} == {1}
    assert max(attempt.started_at for row in rows for attempt in row.attempts) < well_at + 2 * PROBE_EVERY
    posted = Counter(headers["webhook-id"] for headers, _ in scene.receiver.of(URL))
    assert all(posted[event.key] == 1 for event in waiting)
    assert scene.alerts() == []


def test_what_waits_to_its_deadline_is_tried_once_and_given_up_into_the_alert_log(scene: Scene) -> None:
    delay = timedelta(seconds=30)
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retry_delays": (delay,)}))
    with_open_breaker(scene)
    waiting = [an_event(f"waits-{number}") for number in range(22)]
    for event in waiting:
        scene.publish(event)
    while scene.queue.held or scene.poison.held:
        scene.run_in_order()
    lines = {line[1].key: line[1] for line in scene.alerts() if not isinstance(line, Malformed)}
    assert lines.keys() == {event.key for event in waiting} | {f"opens-{number}" for number in range(OPENS_AFTER)}
    assert all(row.status == "failed" and row.attempts for row in lines.values())
    given_up = [row for row in lines.values() if row.reason == "endpoint failing"]
    assert len(given_up) >= 5, "no probe can have reached them all"
    for row in given_up:
        deadline = from_ms(row.event_accepted_ms) + delay + GRACE
        assert row.attempts[0].started_at <= deadline + timedelta(minutes=1)


def abandoned(scene: Scene) -> None:
    """A delivery that was attempted once, and given up because its endpoint failed until its deadline."""
    with_open_breaker(scene)
    scene.queue.held.clear()
    scene.publish(an_event())
    scene.clock.move(SCHEDULE + GRACE)
    scene.app.breaker.begin(scene.ids(an_event())[0].endpoint, "another", scene.app.seconds())  # is the probe
    scene.dispatch_next()
    text, _ = scene.queue.take()
    scene.app.breaker.begin(scene.ids(an_event())[0].endpoint, "another", scene.app.seconds())
    dispatch(scene.app, text.encode(), 1)
    scene.exhaust_next()
    row = scene.row(scene.ids(an_event())[0])
    assert (row.reason, len(row.attempts)) == ("endpoint failing", 1)


def test_what_was_given_up_can_be_sent_again_and_then_leaves_the_alert_log(scene: Scene) -> None:
    abandoned(scene)
    delivery_id = scene.ids(an_event())[0]
    assert len(scene.alerts()) == 1
    scene.receiver.by_url[URL] = OK
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run_in_order()
    row = scene.row(delivery_id)
    assert (row.status, len(row.attempts)) == ("delivered", 2)
    assert scene.alerts() == []


def test_what_was_given_up_and_fails_again_is_told_of_again(scene: Scene) -> None:
    scene.register("https://ops.example/", types=("webhook.delivery_failed",))
    abandoned(scene)
    delivery_id = scene.ids(an_event())[0]
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run_in_order()
    told = [json.loads(event.content) for event in scene.events("webhook.delivery_failed")]
    assert [(each["reason"], each["count"]) for each in told] == [("endpoint failing", 1)] * 2, "once for each schedule"


def test_a_delivery_cancelled_while_it_waits_is_not_sent(scene: Scene) -> None:
    with_open_breaker(scene)
    scene.queue.held.clear()
    scene.publish(an_event())
    delivery_id = scene.ids(an_event())[0]
    scene.dispatch_next()
    scene.change(delivery_id.endpoint, enabled=False)
    scene.run_in_order()
    assert (scene.row(delivery_id).status, scene.row(delivery_id).attempts) == ("cancelled", ())
    assert scene.alerts() == []


def test_without_a_slot_messages_are_put_back_jittered_and_unspent_longer_each_time(scene: Scene) -> None:
    scene.app = replace(scene.app, bulkhead=Bulkhead(scene.app.seconds, slots=4, patience_seconds=0))
    endpoint = scene.register()
    for number in range(12):
        scene.publish(an_event(f"key-{number}"))
    before = {decode(text.encode()).key: decode(text.encode()) for text, _ in scene.queue.held}
    assert scene.app.bulkhead.take(endpoint.id)
    for text, _ in [scene.queue.take() for _ in before]:
        dispatch(scene.app, text.encode(), 1)
    assert scene.receiver.posts == []
    first, _ = DEFERRED_SECONDS
    delays = [hidden.total_seconds() for _, hidden in scene.queue.held]
    assert all(first <= delay <= 1.5 * first for delay in delays)
    assert max(delays) - min(delays) > 0.2
    for text, hidden in scene.queue.held:
        after = decode(text.encode())
        changes = {"possible_duplicate": True, "due_at": scene.clock.now + hidden, "deferrals": 1}
        assert after == before[after.key].model_copy(update=changes)
    scene.dispatch_next()
    assert scene.queue.held[-1][1].total_seconds() >= 2 * first
    scene.app.bulkhead.give_back(endpoint.id)
    scene.run_in_order()
    assert len(scene.receiver.posts) == 12
    assert {scene.row(scene.ids(an_event(key))[0]).status for key in before} == {"delivered"}


def test_waiting_for_a_slot_never_gives_a_delivery_up(scene: Scene) -> None:
    """A receiver that is slow but well had its waiting deliveries failed at their deadline."""
    scene.app = replace(scene.app, bulkhead=Bulkhead(scene.app.seconds, slots=4, patience_seconds=0))
    endpoint = scene.register()
    scene.publish(an_event())
    scene.clock.now = decode(scene.queue.held[0][0].encode()).deadline_at + timedelta(days=1)
    assert scene.app.bulkhead.take(endpoint.id)
    for _ in range(3):
        scene.dispatch_next()
    assert scene.receiver.posts == []
    assert scene.alerts() == []
    assert (len(scene.queue.held), len(scene.poison.held)) == (1, 0)


def test_a_slot_comes_back_when_an_attempt_raises(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.register()
    scene.publish(an_event())
    text, _ = scene.queue.take()

    def crash(*given: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(scene.app.options, "signature_key_on_loop", crash)
        with pytest.raises(MemoryError):
            dispatch(scene.app, text.encode(), 1)
    dispatch(scene.app, text.encode(), 2)
    assert len(scene.receiver.posts) == 1


# An endpoint that asks for less


def test_a_429_spends_no_attempt_and_opens_no_breaker(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tenant_hooks")
    scene.receiver.by_url[URL] = TOO_MANY
    endpoint = scene.register()
    for number in range(2 * OPENS_AFTER):
        scene.publish(an_event(f"key-{number}"))
    for text, _ in [scene.queue.take() for _ in list(scene.queue.held)]:
        dispatch(scene.app, text.encode(), 1)
    assert not scene.app.breaker.is_open(endpoint.id)
    assert len(scene.receiver.posts) == 1, "the others were not even sent"
    assert all(decode(text.encode()).attempt == 1 for text, _ in scene.queue.held)
    assert all(delay >= timedelta(seconds=27) for _, delay in scene.queue.held)
    assert '"next": "deferred"' in caplog.text
    assert scene.app.deliveries.get(scene.ids(an_event("key-0"))[0]) is None
    scene.receiver.by_url[URL] = OK
    scene.run_in_order()
    rows = [scene.row(scene.ids(an_event(f"key-{number}"))[0]) for number in range(2 * OPENS_AFTER)]
    assert {(row.status, len(row.attempts)) for row in rows} == {("delivered", 1)}
    assert scene.alerts() == []


@pytest.mark.parametrize("keeps_taking", [False, True])
def test_what_an_endpoint_keeps_putting_off_is_given_up_at_its_deadline(scene: Scene, keeps_taking: bool) -> None:
    """While it takes others, a day later."""
    scene.receiver.by_url[URL] = TOO_MANY
    scene.register()
    scene.publish(an_event())
    endpoint, taken = scene.ids(an_event())[0].endpoint, scene.clock.now
    while scene.queue.held:
        if keeps_taking and scene.clock.now - taken > timedelta(minutes=5):
            scene.app.pacing.taken(endpoint, scene.app.seconds())
            taken = scene.clock.now
        scene.dispatch_next()
    waited = scene.clock.now - THURSDAY
    longest = SCHEDULE + GRACE + (PACED_LONGEST if keeps_taking else timedelta())
    assert longest <= waited <= longest + timedelta(minutes=5)
    scene.exhaust_next()
    row = scene.row(scene.ids(an_event())[0])
    assert row.status == "failed"
    assert "429" in (row.reason or "")
    assert len(scene.alerts()) == 1
