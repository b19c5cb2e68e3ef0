"""Messages that wait because of their endpoint: behind an open breaker, or for a place among the workers."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.admin.retry import retry
from shared.delivery.dispatcher import SHARE_HOLD_SECONDS, dispatch
from shared.model import from_ms
from shared.outbound.breaker import GRACE, OPENS_AFTER, PROBE_EVERY
from shared.outbound.bulkhead import Share
from shared.storage.deliveries import Malformed
from shared.storage.messages import decode

from .scene import BUSY, OK, THURSDAY, URL, Scene, an_event

SCHEDULE = timedelta(seconds=30 + 120 + 600)


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
    assert after == before.model_copy(update={"repeat": True, "due_at": scene.clock.now + PROBE_EVERY})
    assert after.event == an_event()
    assert len(scene.receiver.posts) == OPENS_AFTER
    assert scene.app.deliveries.get(scene.ids(an_event())[0]) is None
    assert '"event": "delivery.deferred"' in caplog.text


def test_another_endpoint_is_not_held(scene: Scene) -> None:
    with_open_breaker(scene)
    scene.queue.held.clear()
    scene.register("https://well.example/", types=("custom.well",))
    scene.publish(an_event(type="custom.well"))
    held = [decode(text.encode()).delivery_id.endpoint for text, _ in scene.queue.held]
    for text, _ in [scene.queue.take() for _ in held]:
        dispatch(scene.app, text.encode(), 1)
    assert len(scene.receiver.of("https://well.example/")) == 1
    assert len(scene.receiver.of(URL)) == OPENS_AFTER


def test_while_it_fails_an_endpoint_is_asked_once_a_minute(scene: Scene) -> None:
    asked_at: list[datetime] = []
    with_open_breaker(scene)
    scene.receiver.posts.clear()
    for number in range(10):
        scene.publish(an_event(f"waits-{number}"))
    opened_at, seen = scene.clock.now, 0
    while scene.clock.now < opened_at + timedelta(minutes=8):
        scene.dispatch_earliest()
        if len(scene.receiver.posts) > seen:
            seen = len(scene.receiver.posts)
            asked_at.append(scene.clock.now)
    assert [at - opened_at for at in asked_at] == [PROBE_EVERY * number for number in range(1, len(asked_at) + 1)]
    assert len(asked_at) >= 7


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


def test_what_waits_to_its_deadline_is_given_up_into_the_alert_log(scene: Scene) -> None:
    delay = timedelta(seconds=30)
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retry_delays": (delay,)}))
    with_open_breaker(scene)
    waiting = [an_event(f"waits-{number}") for number in range(22)]
    for event in waiting:
        scene.publish(event)
    given_up_at: dict[str, datetime] = {}
    while scene.queue.held or scene.poison.held:
        for text, _ in scene.poison.held:
            given_up_at[decode(text.encode()).key] = scene.clock.now
        scene.run_in_order(lambda: bool(scene.poison.held))
        if scene.queue.held:
            scene.dispatch_earliest()
    lines = {line[1].key: line[1] for line in scene.alerts() if not isinstance(line, Malformed)}
    assert lines.keys() == {event.key for event in waiting} | {f"opens-{number}" for number in range(OPENS_AFTER)}
    untried = [row for row in lines.values() if not row.attempts]
    assert len(untried) >= 5, "one probe a minute cannot have reached them all"
    for row in untried:
        assert (row.status, row.reason) == ("failed", "endpoint failing")
        deadline = from_ms(row.event_accepted_ms) + delay + GRACE
        assert deadline <= given_up_at[row.key] <= deadline + PROBE_EVERY
    assert {row.reason for row in lines.values()} <= {"endpoint failing", "the receiver answered 500"}
    assert all(row.status == "failed" for row in lines.values())
    assert len(scene.receiver.posts) <= OPENS_AFTER + (scene.clock.now - THURSDAY) / PROBE_EVERY


def abandoned(scene: Scene) -> None:
    """A delivery that was never attempted, because its endpoint failed until its deadline."""
    with_open_breaker(scene)
    scene.queue.held.clear()
    scene.publish(an_event())
    text, _ = scene.queue.take()
    scene.clock.move(SCHEDULE + GRACE)
    scene.app.breaker.hold(scene.ids(an_event())[0].endpoint, scene.clock.now)  # the probe of this minute is another's
    dispatch(scene.app, text.encode(), 1)
    scene.exhaust_next()
    assert scene.row(scene.ids(an_event())[0]).reason == "endpoint failing"


def test_what_was_given_up_can_be_sent_again_and_then_leaves_the_alert_log(scene: Scene) -> None:
    abandoned(scene)
    delivery_id = scene.ids(an_event())[0]
    assert len(scene.alerts()) == 1
    scene.receiver.by_url[URL] = OK
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run_in_order()
    row = scene.row(delivery_id)
    assert (row.status, len(row.attempts)) == ("delivered", 1)
    assert scene.alerts() == []


def test_what_was_given_up_and_fails_again_is_told_of_again(scene: Scene) -> None:
    scene.register("https://ops.example/", types=("webhook.delivery_failed",))
    abandoned(scene)
    delivery_id = scene.ids(an_event())[0]
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run_in_order()
    assert scene.row(delivery_id).reason == "the receiver answered 500"
    reasons = [event.content.partition('"reason":')[2] for event in scene.events("webhook.delivery_failed")]
    assert sorted(reasons) == ['"endpoint failing"}', '"the receiver answered 500"}']


def test_a_delivery_cancelled_while_it_is_held_is_not_sent(scene: Scene) -> None:
    with_open_breaker(scene)
    scene.queue.held.clear()
    scene.publish(an_event())
    delivery_id = scene.ids(an_event())[0]
    scene.dispatch_next()
    scene.app.endpoints.change(delivery_id.endpoint, {"enabled": False}, scene.clock.now)
    scene.run_in_order()
    assert (scene.row(delivery_id).status, scene.row(delivery_id).attempts) == ("cancelled", ())
    assert scene.alerts() == []


def test_above_its_share_messages_are_put_back_jittered_and_unspent(scene: Scene) -> None:
    scene.app = replace(scene.app, share=Share(places=2, patience_seconds=0))
    endpoint = scene.register()
    for number in range(12):
        scene.publish(an_event(f"key-{number}"))
    before = {decode(text.encode()).key: decode(text.encode()) for text, _ in scene.queue.held}
    with scene.app.share.place(endpoint.id):
        for text, _ in [scene.queue.take() for _ in before]:
            dispatch(scene.app, text.encode(), 1)
    assert scene.receiver.posts == []
    delays = [hidden.total_seconds() for _, hidden in scene.queue.held]
    shortest, longest = SHARE_HOLD_SECONDS
    assert (shortest, longest) == (5, 15)
    assert all(shortest <= delay <= longest for delay in delays)
    assert max(delays) - min(delays) > 1
    for text, hidden in scene.queue.held:
        after = decode(text.encode())
        same = before[after.key].model_copy(update={"repeat": True, "due_at": scene.clock.now + hidden})
        assert after == same
    scene.run_in_order()
    assert len(scene.receiver.posts) == 12
    assert {scene.row(scene.ids(an_event(key))[0]).status for key in before} == {"delivered"}


def test_a_place_comes_back_when_an_attempt_raises(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.app = replace(scene.app, share=Share(places=2, patience_seconds=0))
    scene.register()
    scene.publish(an_event())
    text, _ = scene.queue.take()

    def crash(*given: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(scene.app.options, "signature_key", crash)
        with pytest.raises(MemoryError):
            dispatch(scene.app, text.encode(), 1)
    dispatch(scene.app, text.encode(), 2)
    assert len(scene.receiver.posts) == 1
