"""The app's own `webhook.*` events: each published once, and none about another."""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from doubles.running import dispatch, exhausted
from shared.admin.retry import retry
from shared.app import App
from shared.delivery.operational_events import tell_failures, tell_waiting
from shared.model.catalogue import content_errors
from shared.outbound.client import Response
from shared.storage import notices
from shared.storage.clients import StorageUnavailable

from .scene import BUSY, THURSDAY, URL, Scene, an_event

OPS = "https://ops.example/"
ALL_NAMES = ("webhook.delivery_failed", "webhook.endpoint_failing", "webhook.endpoint_disabled")
GONE = Response(410, None, None)
HOUR = timedelta(hours=1)


def types_at(scene: Scene, url: str) -> Counter[str]:
    return Counter(json.loads(body)["type"] for _, body in scene.receiver.of(url))


def test_a_failed_delivery_is_told_of_once_though_its_message_comes_three_times(scene: Scene) -> None:
    scene.receiver.by_url[URL] = BUSY
    bad = scene.register()
    scene.register(OPS, types=("webhook.*",))
    scene.publish(an_event())
    while scene.queue.held:
        scene.dispatch_earliest()
    text, _ = scene.poison.take()
    for _ in range(3):
        exhausted(scene.app, text.encode(), THURSDAY)
    scene.run_in_order()
    [event] = scene.events("webhook.")
    assert event.type == "webhook.delivery_failed"
    assert json.loads(event.content) == {
        "deliveryId": str(scene.ids(an_event())[0]),
        "endpointId": bad.id,
        "eventType": "custom.test",
        "idempotencyKey": "key-1",
        "attempts": 4,
        "reason": "the receiver answered 500",
        "count": 1,
    }
    assert types_at(scene, OPS) == {"webhook.delivery_failed": 1}
    assert scene.alerts() != []


def test_a_round_that_an_admin_asked_for_is_told_of_again(scene: Scene) -> None:
    scene.receiver.by_url[URL] = BUSY
    scene.register()
    scene.publish(an_event())
    scene.run_in_order()
    [delivery_id] = scene.ids(an_event())
    assert retry(scene.app, delivery_id, scene.row(delivery_id)) is None
    scene.run_in_order()
    attempts = [json.loads(event.content)["attempts"] for event in scene.events("webhook.")]
    assert sorted(attempts) == [4, 8]


def fail_now(scene: Scene, *keys: str) -> None:
    """Events of these keys are published, and all that fail for good have failed, with a single attempt."""
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retry_delays": ()}))
    for key in keys:
        scene.publish(an_event(key))
    scene.run_in_order()


def counts(scene: Scene) -> list[int]:
    told = [json.loads(event.content) for event in scene.events("webhook.delivery_failed")]
    return sorted(each["count"] for each in told)


def test_many_failures_are_told_of_once_in_five_minutes(scene: Scene) -> None:
    """Each was told to each listener: failing endpoints times listeners made 1,800 POSTs of one event."""
    scene.receiver.by_url[URL] = BUSY
    scene.register()
    scene.register(OPS, types=("webhook.*",))
    fail_now(scene, "1", "2", "3")
    assert counts(scene) == [1]
    fail_now(scene, "4")
    scene.clock.move(timedelta(minutes=4))
    tell_waiting(scene.app)
    assert counts(scene) == [1]
    scene.clock.move(timedelta(minutes=1))
    tell_waiting(scene.elsewhere().app)
    assert counts(scene) == [1, 3], "the timer tells of those that nothing followed"
    tell_waiting(scene.app)
    scene.clock.move(HOUR)
    tell_waiting(scene.app)
    assert counts(scene) == [1, 3]
    fail_now(scene, "5", "6")
    assert counts(scene) == [1, 1, 3]
    assert len(scene.alerts()) == 6
    scene.run_in_order()
    assert types_at(scene, OPS) == {"webhook.delivery_failed": 3}


def test_each_endpoint_is_told_of_by_itself(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    for number in range(3):
        scene.register(f"https://broken.example/{number}")
    fail_now(scene, "1", "2")
    assert counts(scene) == [1, 1, 1]
    scene.clock.move(timedelta(minutes=5))
    tell_waiting(scene.app)
    assert counts(scene) == [1] * 6


def test_more_failures_than_one_event_tells_of_are_told_with_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MOST_AT_ONCE", 2)
    scene.receiver.by_url[URL] = BUSY
    scene.register()
    fail_now(scene, *"123456")
    for _ in range(4):
        scene.clock.move(timedelta(minutes=5))
        tell_waiting(scene.app)
    assert counts(scene) == [1, 1, 2, 2]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 8))
def test_every_failure_is_counted_once_whatever_breaks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, call: int, after: bool
) -> None:
    """The message of the failure comes again, here and on another instance, as does the timer."""
    scene.receiver.by_url[URL] = BUSY
    scene.register()
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retry_delays": ()}))
    for key in ("1", "2"):
        scene.publish(an_event(key))
    while scene.queue.held:
        scene.dispatch_earliest()
    texts = [scene.poison.take()[0].encode() for _ in range(2)]
    exhausted(scene.app, texts[0], THURSDAY)
    scene.clock.move(timedelta(minutes=6))
    table, calls = type(scene.app.services.table("notices")), 0

    def breaking(original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call and not after:
                raise StorageUnavailable("simulated")
            result = original(*given)
            if calls == call:
                raise StorageUnavailable("simulated")
            return result

        return step

    with monkeypatch.context() as broken:
        for name in ("insert", "replace", "upsert", "delete"):
            broken.setattr(table, name, breaking(getattr(table, name)))
        with contextlib.suppress(StorageUnavailable):
            exhausted(scene.app, texts[1], scene.clock.now)
    elsewhere = scene.elsewhere()
    for instance in (elsewhere, scene):
        exhausted(instance.app, texts[1], scene.clock.now)
        tell_waiting(instance.app)
        scene.clock.move(timedelta(minutes=6))
    assert counts(scene) == [1, 1]


def test_who_was_told_of_long_ago_leaves_nothing_behind(scene: Scene) -> None:
    scene.receiver.by_url[URL] = BUSY
    bad = scene.register()
    fail_now(scene, "1")
    scene.app.notices.drop_older(scene.clock.now - HOUR)
    assert scene.app.notices.get(bad.id) is not None
    scene.clock.move(2 * HOUR)
    scene.app.notices.drop_older(scene.clock.now - HOUR)
    assert scene.app.notices.get(bad.id) is None
    assert list(scene.app.notices.waiting()) == []


def test_what_is_untold_for_long_is_left_to_the_alert_log(scene: Scene) -> None:
    scene.receiver.by_url[URL] = BUSY
    scene.register()
    fail_now(scene, "1", "2", "3")
    scene.clock.move(2 * HOUR)
    scene.app.notices.drop_older(scene.clock.now - 3 * HOUR)
    assert len(list(scene.app.notices.waiting())) == 1
    scene.app.notices.drop_older(scene.clock.now - HOUR)
    assert list(scene.app.notices.waiting()) == []
    tell_waiting(scene.app)
    assert counts(scene) == [1]
    assert len(scene.alerts()) == 3


def test_instances_that_tell_at_once_tell_once(scene: Scene) -> None:
    scene.receiver.by_url[URL] = BUSY
    bad = scene.register()
    scene.publish(an_event("1"))
    fail_now(scene, "2", "3", "4")
    scene.clock.move(timedelta(minutes=6))
    instances, start = [scene.elsewhere().app for _ in range(4)], threading.Barrier(4)

    def tell(app: App) -> None:
        start.wait()
        tell_failures(app, bad.id)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(tell, instances))
    assert counts(scene) == [1, 3]


def test_a_star_does_not_get_them(scene: Scene) -> None:
    scene.receiver.by_url[URL] = BUSY
    scene.register()
    scene.register("https://star.example/", types=("*",))
    scene.publish(an_event())
    scene.run_in_order()
    assert len(scene.events("webhook.")) == 1
    assert types_at(scene, "https://star.example/") == {"custom.test": 1}


def test_what_cannot_be_read_is_told_of_in_the_alert_log_only(scene: Scene) -> None:
    scene.register(OPS, types=("webhook.*",))
    exhausted(scene.app, b"nonsense", THURSDAY)
    assert len(scene.alerts()) == 1
    assert scene.events("webhook.") == []


BROKEN = 5


@pytest.mark.parametrize("wanted", [("custom.*", "webhook.*"), ("custom.*", *ALL_NAMES)])
def test_none_is_about_another_however_many_broken_endpoints_want_them(scene: Scene, wanted: tuple[str, ...]) -> None:
    """One failure each for the event itself; all that is told of it fails too, and is told of to nobody."""
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retry_delays": (HOUR,)}))
    scene.receiver.answers = [BUSY]
    for number in range(BROKEN):
        scene.register(f"https://broken.example/{number}", types=wanted)
    scene.publish(an_event())
    scene.run_in_order()
    events = scene.events("webhook.")
    assert {event.type for event in events} == {"webhook.delivery_failed"}
    assert {json.loads(event.content)["eventType"] for event in events} == {"custom.test"}
    assert len(events) == BROKEN
    assert len(scene.alerts()) == BROKEN + BROKEN * BROKEN, "the alert log has them all the same"


def test_broken_endpoints_that_want_only_them_make_none(scene: Scene) -> None:
    scene.receiver.by_url[URL] = BUSY
    scene.register(types=("custom.*",))
    for number in range(BROKEN):
        scene.receiver.by_url[f"https://broken.example/{number}"] = BUSY
        scene.register(f"https://broken.example/{number}", types=("webhook.*",))
    scene.publish(an_event())
    scene.run_in_order()
    assert len(scene.events("webhook.")) == 1
    assert len(scene.alerts()) == 1 + BROKEN


def test_over_days_each_broken_endpoint_is_warned_of_and_disabled_once(scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    broken = [scene.register(f"https://broken.example/{number}", types=("custom.*", "webhook.*")) for number in (1, 2)]
    for hours in (0, 30, 60, 90, 121):
        scene.clock.now = max(scene.clock.now, THURSDAY + hours * HOUR)
        scene.publish(an_event(f"at-{hours}"))
        scene.run_in_order()
    assert {endpoint.health.state for endpoint in scene.app.endpoints.read_all()} == {"disabled"}
    events = Counter(
        (event.type, json.loads(event.content)["endpointId"]) for event in scene.events("webhook.endpoint")
    )
    assert events == {(name, each.id): 1 for name in ALL_NAMES[1:] for each in broken}
    about = {json.loads(event.content)["eventType"] for event in scene.events("webhook.delivery_failed")}
    assert about == {"custom.test"}


def test_410_is_told_of_once_though_the_message_comes_again(scene: Scene) -> None:
    scene.receiver.by_url[URL] = GONE
    bad = scene.register()
    scene.register(OPS, types=("webhook.endpoint_disabled",))
    scene.publish(an_event())
    text, _ = scene.queue.take()
    dispatch(scene.app, text.encode(), 1)
    dispatch(scene.app, text.encode(), 2)
    scene.run_in_order()
    [event] = scene.events("webhook.")
    assert json.loads(event.content) == {"endpointId": bad.id, "reason": "the receiver answered 410 Gone"}
    assert event.severity == "high"
    assert types_at(scene, OPS) == {"webhook.endpoint_disabled": 1}


def test_two_instances_that_are_answered_410_at_once_tell_of_it_once(scene: Scene) -> None:
    scene.receiver.by_url[URL] = GONE
    scene.register()
    for key in ("one", "two"):
        scene.publish(an_event(key))
    texts = [scene.queue.take()[0] for _ in range(2)]
    elsewhere = scene.elsewhere()
    assert elsewhere.app.endpoints.all()
    assert scene.app.endpoints.all()
    dispatch(scene.app, texts[0].encode(), 1)
    scene.clock.move(timedelta(seconds=1))
    dispatch(elsewhere.app, texts[1].encode(), 1)
    assert len(scene.receiver.of(URL)) == 2
    assert len(scene.events("webhook.endpoint_disabled")) == 1


def test_410_to_one_of_them_disables_and_is_told_of_to_nobody(scene: Scene) -> None:
    scene.receiver.by_url |= {URL: BUSY, OPS: GONE}
    scene.register(types=("custom.*",))
    scene.register(OPS, types=("webhook.*",))
    scene.publish(an_event())
    scene.run_in_order()
    assert [event.type for event in scene.events("webhook.")] == ["webhook.delivery_failed"]
    states = {endpoint.url: endpoint.health.state for endpoint in scene.app.endpoints.read_all()}
    assert states == {URL: "failing", OPS: "disabled"}


def test_each_fits_its_schema_in_the_catalogue(scene: Scene) -> None:
    scene.receiver.by_url |= {URL: BUSY, "https://gone.example/": GONE}
    scene.register()
    scene.register("https://gone.example/", types=("custom.gone",))
    scene.publish(an_event("gone", type="custom.gone"))
    for hours in (0, 30, 61):
        scene.clock.now = max(scene.clock.now, THURSDAY + hours * HOUR)
        scene.publish(an_event(f"at-{hours}"))
        scene.run_in_order()
    events = scene.events("webhook.")
    assert {event.type for event in events} == set(ALL_NAMES)
    for event in events:
        assert content_errors(event.type, json.loads(event.content)) == []
        assert "receiver.example" not in event.content
