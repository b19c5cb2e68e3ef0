"""An endpoint that fails for days: warned of, then disabled, by the clock of the deployment."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from doubles.running import exhausted
from shared.admin.retry import retry
from shared.model import Endpoint, Event, Health
from shared.storage.clients import StorageUnavailable

from .scene import BUSY, OK, THURSDAY, URL, Scene, an_event

OPS = "https://ops.example/"
HOUR = timedelta(hours=1)
A_LITTLE = timedelta(minutes=6)
FAILING, DISABLED = "webhook.endpoint_failing", "webhook.endpoint_disabled"


@pytest.fixture
def bad(scene: Scene) -> Endpoint:
    """Fails always; another endpoint, which is well, is told of it."""
    scene.receiver.by_url[URL] = BUSY
    scene.register(OPS, types=(FAILING, DISABLED))
    return scene.register()


def fail(scene: Scene, at: timedelta) -> None:
    """One more delivery is published at this time, the first on the dot and others a little later, and exhausted after
    its schedule, whose length differs by a minute."""
    scene.clock.now = max(scene.clock.now, THURSDAY + at + (A_LITTLE if at else timedelta()))
    scene.publish(an_event(f"at-{at.total_seconds():.0f}"))
    scene.run_in_order()


def health(scene: Scene, endpoint: Endpoint) -> Health:
    found = scene.app.endpoints.read(endpoint.id)
    assert found is not None
    return found.health


def told(scene: Scene) -> list[str]:
    """The types that arrived at the endpoint that is well, in order."""
    return [json.loads(body)["type"] for _, body in scene.receiver.of(OPS)]


def test_over_days_it_is_warned_of_once_and_then_disabled(scene: Scene, bad: Endpoint) -> None:
    seen: dict[int, tuple[str, ...]] = {}
    for hours in range(0, 133, 6):
        fail(scene, hours * HOUR)
        seen[hours] = tuple(told(scene))
    changes = {hours: types for hours, types in seen.items() if types != seen.get(hours - 6, ())}
    assert changes == {60: (FAILING,), 120: (FAILING, DISABLED)}
    after = health(scene, bad)
    assert after.state == "disabled"
    assert "no success since 2026-11-19" in str(after.disabled_reason)
    assert "the receiver answered 500" in str(after.disabled_reason)
    assert len(scene.events(FAILING)) == len(scene.events(DISABLED)) == 1
    for event in (*scene.events(FAILING), *scene.events(DISABLED)):
        content = json.loads(event.content)
        assert content["endpointId"] == bad.id
        assert "500" in content["reason"]


def test_what_waits_for_an_endpoint_that_is_disabled_ends_cancelled(scene: Scene, bad: Endpoint) -> None:
    for hours in (0, 30, 60, 90):
        fail(scene, hours * HOUR)
    scene.clock.now = THURSDAY + 120 * HOUR + A_LITTLE
    scene.app.breaker.record(bad.id, "another", True, scene.app.seconds())  # no matter of this test
    scene.publish(an_event("decides"))
    for _ in range(3):
        scene.dispatch_earliest()
    scene.clock.move(timedelta(minutes=5))
    for number in range(3):
        scene.publish(an_event(f"waits-{number}"))
    scene.run_in_order()
    assert health(scene, bad).state == "disabled"
    ends = {key: scene.row(scene.ids(an_event(key))[0]) for key in ("decides", "waits-0", "waits-1", "waits-2")}
    assert ends["decides"].status == "failed"
    for number in range(3):
        row = ends[f"waits-{number}"]
        assert row.status == "cancelled"
        assert "disabled: no success since" in str(row.reason)
    failed = [line[1].key for line in scene.alerts() if isinstance(line, tuple)]
    assert not [key for key in failed if key.startswith("waits")]
    assert scene.publish(an_event("later")).deliveries == 0


def test_enabling_it_again_starts_anew(scene: Scene, bad: Endpoint) -> None:
    for hours in (0, 30, 60, 90, 120):
        fail(scene, hours * HOUR)
    assert health(scene, bad).state == "disabled"
    scene.change(bad.id, name="still broken")
    assert scene.publish(an_event("no")).deliveries == 0
    scene.change(bad.id, enabled=True)
    assert health(scene, bad) == Health(generation=bad.generation)
    fail(scene, 150 * HOUR)
    assert health(scene, bad).state == "failing"
    assert len(told(scene)) == 2, "its old failures count no more"
    scene.receiver.by_url[URL] = OK
    scene.clock.move(HOUR)
    scene.publish(an_event("well"))
    scene.run_in_order()
    assert scene.row(scene.ids(an_event("well"))[0]).status == "delivered"
    assert health(scene, bad).state == "healthy"


def test_after_a_success_a_second_failing_time_is_warned_of_again(scene: Scene, bad: Endpoint) -> None:
    for hours in (0, 30, 60, 90, 110):
        fail(scene, hours * HOUR)
    assert told(scene) == [FAILING]
    scene.receiver.by_url[URL] = OK
    fail(scene, 112 * HOUR)
    assert health(scene, bad).state == "healthy"
    scene.receiver.by_url[URL] = BUSY
    for hours in (130, 160, 189, 191, 220, 249):
        fail(scene, hours * HOUR)
    assert told(scene) == [FAILING, FAILING]
    fail(scene, 251 * HOUR)
    assert told(scene) == [FAILING, FAILING, DISABLED]


def test_a_few_deliveries_are_too_few_to_judge_by(scene: Scene, bad: Endpoint) -> None:
    for hours in (0, 100, 200, 300):
        fail(scene, hours * HOUR)
    assert health(scene, bad).state == "failing"
    assert told(scene) == [FAILING]
    fail(scene, 301 * HOUR)
    assert health(scene, bad).state == "disabled"


def test_one_delivery_sent_again_and_again_counts_once(scene: Scene, bad: Endpoint) -> None:
    fail(scene, timedelta())
    [delivery_id] = scene.ids(an_event("at-0"))
    for hours in (30, 60, 90, 120, 150, 180):
        scene.clock.now = THURSDAY + hours * HOUR
        assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
        scene.run_in_order()
    assert health(scene, bad).exhausted == (str(delivery_id),)
    assert health(scene, bad).state == "failing"


def test_a_day_at_least_lies_between_the_first_and_the_last_that_count(scene: Scene, bad: Endpoint) -> None:
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"disable_after": timedelta(hours=1)}))
    for hours in (0, 1, 2, 3, 4, 10, 23):
        fail(scene, hours * HOUR)
    assert told(scene) == [FAILING]
    fail(scene, 24 * HOUR)
    assert told(scene) == [FAILING, DISABLED]


def test_what_crashed_in_the_dispatcher_is_no_failure_of_the_endpoint(scene: Scene, bad: Endpoint) -> None:
    for hours in range(0, 200, 20):
        scene.clock.now = THURSDAY + hours * HOUR
        scene.publish(an_event(f"crashes-{hours}"))
        exhausted(scene.app, scene.queue.take()[0].encode(), scene.clock.now)
    assert health(scene, bad).state == "healthy"
    assert told(scene) == []


def test_one_webhook_delivery_does_not_use_up_the_warning(scene: Scene, bad: Endpoint) -> None:
    """An endpoint that also wants `webhook.*` may have one of those exhausted first when the time has come."""
    scene.change(bad.id, types=("*", "webhook.delivery_failed"))
    for hours in (0, 30, 59.75):
        fail(scene, hours * HOUR)
    scene.run_in_order()
    assert scene.clock.now >= THURSDAY + 60 * HOUR
    assert told(scene) == []
    fail(scene, 66 * HOUR)
    assert told(scene) == [FAILING]


@pytest.mark.parametrize("published", [FAILING, DISABLED])
def test_storage_that_fails_while_it_is_told_costs_no_event(
    scene: Scene, bad: Endpoint, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in (0, 20, 40, 50) if published == FAILING else (0, 30, 60, 90):
        fail(scene, hours * HOUR)
    scene.clock.now = THURSDAY + (60 if published == FAILING else 120) * HOUR + A_LITTLE
    scene.app.breaker.record(bad.id, "another", True, scene.app.seconds())  # no matter of this test
    scene.publish(an_event("decides"))
    while scene.queue.held:
        scene.dispatch_earliest()
    text, _ = scene.poison.take()

    def fail_once(app: object, event: Event) -> None:
        if event.type == published:
            raise StorageUnavailable("inserting into events: storage answered 503")

    with monkeypatch.context() as broken:
        broken.setattr("shared.delivery.operational_events.publish_own", fail_once)
        with pytest.raises(StorageUnavailable):
            exhausted(scene.app, text.encode(), scene.clock.now)
    for _ in range(2):
        exhausted(scene.app, text.encode(), scene.clock.now)
    assert len(scene.events(published)) == 1
