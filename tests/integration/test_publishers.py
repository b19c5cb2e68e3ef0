"""An idempotency key belongs to its publisher, and those of the app's own events to nobody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from doubles.running import exhausted
from shared.admin.replay import replay
from shared.api import deliveries, events
from shared.api.http import routing
from shared.api.http.auth import Caller
from shared.delivery.publisher import Accepted, Conflict, NotTaken, own_event, publish, publish_own
from shared.model import DeliveryId, Event, event_id
from shared.model.event import OWN_KEYS, THE_APP
from shared.storage.clients import StorageUnavailable
from shared.storage.events import Events
from shared.storage.messages import decode
from shared.storage.pages import Filters
from shared.storage.weeks import week_start

from .api import Answer, Api
from .conftest import Calls
from .scene import BUSY, THURSDAY, Scene, an_event
from .test_api_events import envelope

ANN, BEN = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
MONDAY = week_start(THURSDAY) + timedelta(days=7)
As = Callable[..., Answer]
_ALL = Filters()


@pytest.fixture
def as_(api: Api, monkeypatch: pytest.MonkeyPatch) -> As:
    """Calls a handler as somebody."""

    def call(caller: str, *given: Any, **more: Any) -> Answer:
        monkeypatch.setattr(routing, "NOBODY", Caller(caller, "application"))
        return api(*given, **more)

    return call


def published(scene: Scene, publisher: str, event: Event) -> Accepted | Conflict:
    [outcome] = publish(scene.app, [event], publisher=publisher)
    assert not isinstance(outcome, NotTaken)
    return outcome


def bodies(scene: Scene) -> list[bytes]:
    return sorted(body for _, _, body in scene.receiver.posts)


@pytest.mark.parametrize("key", [f"{each}x" for each in OWN_KEYS])
def test_keys_of_the_apps_own_events_are_refused_from_callers(as_: As, key: str) -> None:
    """Who used the key of a threshold crossing first kept it from everybody."""
    refused = as_(ANN, events.publish_events, envelope(key))
    assert refused.status == 400
    assert "meta.idempotencyKey: must not begin with storage:, " in refused.body["detail"]
    assert as_(ANN, events.publish_events, envelope("x" + key)).status == 202


def test_an_event_of_the_app_itself_has_such_a_key(scene: Scene) -> None:
    with pytest.raises(ValueError, match="must begin with"):
        own_event(scene.app, "custom.test", {}, "key-1")


def test_two_callers_may_use_the_same_key(as_: As, scene: Scene) -> None:
    scene.register()
    first, second = envelope(), envelope(content={"b": 2})
    for caller, event in ((ANN, first), (BEN, second)):
        assert as_(caller, events.publish_events, event).body == {
            **{"idempotencyKey": "key-1", "deliveries": 1, "duplicate": False}
        }
    for caller, event in ((ANN, first), (BEN, second)):
        assert as_(caller, events.publish_events, event).body["duplicate"]
    for caller, event in ((ANN, second), (BEN, first)):
        assert as_(caller, events.publish_events, event).status == 409
    scene.run()
    assert [b'"content":{"a":1}' in body for body in bodies(scene)] == [True, False]
    assert len(scene.receiver.posts) == 2


def test_the_same_event_of_two_callers_is_two_deliveries_of_their_own(scene: Scene) -> None:
    """Accepted in the same millisecond, for the same endpoint."""
    endpoint = scene.register()
    assert published(scene, ANN, an_event()) == published(scene, BEN, an_event()) == Accepted("key-1", 1, False)
    ids = {decode(text.encode()).delivery for text, _ in scene.queue.held}
    assert len(ids) == 2
    scene.run()
    log = scene.app.deliveries.log(endpoint.id, _ALL, scene.clock.now, 10).items
    assert {str(delivery_id) for delivery_id, _ in log} == ids
    assert {delivery.status for _, delivery in log} == {"delivered"}


def test_the_first_event_of_a_key_costs_no_more_than_before(scene: Scene, calls: Calls) -> None:
    published(scene, ANN, an_event("warm-up"))
    calls.clear()
    published(scene, ANN, an_event())
    assert calls == [("POST", "events20261116")]


def test_a_delivery_of_the_second_is_retried_exhausted_and_found_like_any_other(as_: As, scene: Scene) -> None:
    scene.receiver.answers = [BUSY]
    scene.register()
    published(scene, ANN, an_event())
    scene.queue.held.clear()
    published(scene, BEN, an_event(content='{"large":"%s"}' % ("x" * 60_000)))  # read from its table
    [delivery_id] = [decode(text.encode()).delivery_id for text, _ in scene.queue.held]
    assert delivery_id.event == event_id("key-1", BEN) != event_id("key-1")
    assert as_(ANN, deliveries.get, route=str(delivery_id)).body["status"] == "pending"
    scene.run()
    assert scene.row(delivery_id).status == "failed"
    assert len(scene.row(delivery_id).attempts) == 4
    assert all(len(body) > 60_000 for body in bodies(scene))
    assert [line[0] for line in scene.alerts() if isinstance(line, tuple)] == [delivery_id]


def test_a_replay_sends_each_of_them_once(scene: Scene) -> None:
    endpoint = scene.register()
    published(scene, ANN, an_event())
    published(scene, BEN, an_event(content='{"b":2}'))
    scene.run()
    scene.clock.move(timedelta(minutes=1))
    assert replay(scene.app, endpoint, THURSDAY).count == 2
    scene.run()
    assert [body.count(b'"b":2') for body in bodies(scene)] == [0, 0, 1, 1]


@pytest.mark.parametrize("first", [ANN, BEN])
def test_a_week_later_each_still_has_its_own(scene: Scene, first: str) -> None:
    """For DEDUPE_HOURS, whoever had the key first in the old week or has it first in the new one."""
    events_of = {ANN: an_event(), BEN: an_event(content='{"b":2}')}
    second = BEN if first == ANN else ANN
    scene.clock.now = MONDAY - timedelta(minutes=1)
    for caller in (ANN, BEN):
        published(scene, caller, events_of[caller])
    scene.clock.now = MONDAY + timedelta(hours=23)
    for caller in (first, second):
        outcome = published(scene, caller, events_of[caller])
        assert isinstance(outcome, Accepted)
        assert outcome.duplicate
    scene.clock.now = MONDAY + timedelta(hours=25)
    for duplicate in (False, True):
        for caller in (first, second):
            outcome = published(scene, caller, events_of[caller])
            assert isinstance(outcome, Accepted)
            assert outcome.duplicate is duplicate


def test_who_has_the_key_in_the_new_week_alone_keeps_nobody_from_a_repetition(scene: Scene) -> None:
    scene.clock.now = MONDAY - timedelta(minutes=1)
    published(scene, ANN, an_event())
    scene.clock.now = MONDAY + timedelta(minutes=1)
    assert published(scene, BEN, an_event(content='{"b":2}')) == Accepted("key-1", 0, False)
    assert published(scene, ANN, an_event()) == Accepted("key-1", 0, True)
    assert published(scene, BEN, an_event(content='{"b":2}')) == Accepted("key-1", 0, True)


def test_what_a_version_without_publishers_accepted_is_known_and_found(as_: As, scene: Scene) -> None:
    scene.register()
    published(scene, "", an_event())
    assert published(scene, ANN, an_event()) == Accepted("key-1", 1, True)
    assert published(scene, BEN, an_event(content='{"b":2}')) == Conflict("key-1")
    shown = as_(ANN, events.get, route="key-1").body
    assert shown["content"] == {"a": 1}
    assert "publisher" not in shown
    assert as_(ANN, events.get, route="key-1", publisher=BEN).status == 200


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_a_call_that_dies_between_note_and_event_is_completed_by_another(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    scene.register()
    published(scene, ANN, an_event())
    scene.queue.held.clear()
    steps = 0
    table = type(scene.app.services.table("events20261116"))

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*given: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == stop_at:
                raise StorageUnavailable("simulated")
            return original(*given)

        return write

    with monkeypatch.context() as broken:
        for name in ("insert", "upsert"):
            broken.setattr(table, name, dying(getattr(table, name)))
        with pytest.raises(StorageUnavailable):
            published(scene, BEN, an_event(content='{"b":2}'))
    assert scene.app.events.newest("key-1", scene.clock.now)[0].publisher == ANN
    assert published(scene, BEN, an_event(content='{"b":2}')) == Accepted("key-1", 1, False)
    assert {row.publisher for row in scene.app.events.newest("key-1", scene.clock.now)} == {ANN, BEN}
    scene.run()
    assert len(scene.receiver.posts) == 1


# Looking up and erasing


def both(scene: Scene) -> None:
    scene.register()
    published(scene, ANN, an_event())
    scene.clock.move(timedelta(seconds=1))
    published(scene, BEN, an_event(content='{"b":2}'))
    scene.run()


def test_the_callers_own_event_is_shown_else_the_newest_and_who_else_used_the_key(as_: As, scene: Scene) -> None:
    both(scene)
    for caller, publisher, other in ((ANN, ANN, BEN), (BEN, BEN, ANN), ("a reader", BEN, ANN)):
        shown = as_(caller, events.get, route="key-1").body
        assert (shown["publisher"], shown["otherPublishers"]) == (publisher, [other])
        assert shown["content"] == ({"a": 1} if publisher == ANN else {"b": 2})
    for publisher in (ANN, BEN):
        shown = as_("a reader", events.get, route="key-1", publisher=publisher).body
        assert shown["publisher"] == publisher
        assert "otherPublishers" not in shown
        [delivery] = shown["deliveries"]
        assert delivery["status"] == "delivered"
    assert as_("a reader", events.get, route="key-1", publisher="nobody").status == 404


def test_a_key_of_several_is_erased_for_the_publisher_that_is_named(as_: As, scene: Scene) -> None:
    both(scene)
    refused = as_("an admin", events.erase, route="key-1")
    assert refused.status == 409
    assert f"?publisher= ({ANN}, {BEN})" in refused.body["detail"]
    assert as_("an admin", events.erase, route="key-1", publisher=BEN).status == 204
    assert as_("an admin", events.get, route="key-1", publisher=BEN).body["erased"]
    kept = as_("an admin", events.get, route="key-1", publisher=ANN).body
    assert (kept["content"], kept.get("erased")) == ({"a": 1}, None)
    [first] = [row for row in scene.app.events.newest("key-1", scene.clock.now) if row.publisher == ANN]
    answered = scene.row(DeliveryId(first.accepted_ms, first.id, first.recipients[0].id))
    assert answered.attempts[0].response == "fine"
    assert published(scene, BEN, an_event(content='{"b":2}')) == Accepted("key-1", 1, True)
    assert as_("an admin", events.erase, route="key-1", publisher="nobody").status == 404


# The app's own


def test_the_apps_own_event_is_told_whoever_has_used_its_key(as_: As, scene: Scene) -> None:
    """An earlier version took such keys from callers."""
    scene.register()
    key = "storage:site:90:1"
    published(scene, ANN, an_event(key))
    event = own_event(scene.app, "custom.test", {"mine": 1}, key)
    publish_own(scene.app, event)
    publish_own(scene.app, event)
    scene.clock.move(timedelta(days=8))
    publish_own(scene.app, event)  # late: of an earlier week
    scene.run()
    assert [b'"mine":1' in body for body in bodies(scene)].count(True) == 1
    shown = as_("a reader", events.get, route=key, publisher=THE_APP).body
    assert (shown["publisher"], shown["content"]) == (THE_APP, {"mine": 1})


def test_a_forged_message_of_another_publishers_event_is_kept_as_malformed(scene: Scene) -> None:
    scene.register()
    published(scene, ANN, an_event())
    text, _ = scene.queue.take()
    forged = text.replace('"key":"key-1"', f'"key":"key-1","apart":"{BEN}"', 1)
    assert forged != text
    exhausted(scene.app, forged.encode(), scene.clock.now)
    assert [type(line).__name__ for line in scene.alerts()] == ["Malformed"]


def test_rows_have_no_more_to_say_of_the_first_of_a_key(scene: Scene) -> None:
    """Nothing is stored twice, and messages and deliveries are as they were."""
    scene.register()
    published(scene, ANN, an_event())
    assert "apart" not in scene.queue.held[0][0]
    assert isinstance(scene.app.events, Events)
    [row] = scene.app.events.newest("key-1", scene.clock.now)
    assert (row.id, row.apart) == (event_id("key-1"), "")
