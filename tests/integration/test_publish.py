"""Accepting events."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.delivery.publisher import MOST_DELIVERIES, REPEAT_DELAY, Accepted, Conflict, TooMany, publish
from shared.model import to_ms
from shared.storage.clients import StorageUnavailable
from shared.storage.events import event_entity
from shared.storage.messages import Message, decode
from shared.storage.weeks import table_name

from .conftest import Calls
from .scene import THURSDAY, HeldQueue, Scene, an_event


def messages(queue: HeldQueue) -> list[Message]:
    return [decode(text.encode()) for text, _ in queue.held]


def test_one_message_for_each_endpoint_that_wants_the_event(scene: Scene) -> None:
    one, other = scene.register("https://one.example/"), scene.register("https://two.example/", types=("custom.test",))
    scene.register("https://three.example/", types=("storage.*",))
    scene.register("https://four.example/", enabled=False)
    assert scene.publish(an_event()) == Accepted("key-1", 2, False)
    assert {message.delivery_id.endpoint for message in messages(scene.queue)} == {one.id, other.id}
    for message in messages(scene.queue):
        assert (message.attempt, message.possible_duplicate, message.event) == (1, False, an_event())
        assert message.delivery_id.accepted_ms == message.event_accepted_ms == to_ms(THURSDAY)


def test_an_event_that_nobody_wants_is_accepted_and_kept(scene: Scene) -> None:
    assert scene.publish(an_event()) == Accepted("key-1", 0, False)
    assert scene.queue.held == []
    assert scene.ids(an_event()) == []


def test_the_same_event_again_is_a_duplicate_and_repeats_only_what_has_no_row(scene: Scene) -> None:
    scene.register("https://one.example/")
    scene.register("https://two.example/")
    scene.publish(an_event())
    scene.dispatch_next()
    delivered = next(each for each in scene.ids(an_event()) if scene.app.deliveries.get(each))
    scene.queue.held.clear()
    scene.clock.move(timedelta(seconds=5))
    assert scene.publish(an_event(time_stamp="2026-11-19T11:00:00Z")) == Accepted("key-1", 2, True)
    [message] = messages(scene.queue)
    assert (message.possible_duplicate, message.attempt) == (True, 1)
    assert message.delivery_id.accepted_ms == to_ms(THURSDAY)
    assert message.delivery_id != delivered
    assert message.event == an_event(), "what was accepted first is what is sent"
    assert scene.queue.held[0][1] == REPEAT_DELAY


def test_content_written_differently_is_the_same_event(scene: Scene) -> None:
    scene.publish(an_event(content='{"a":1,"b":[true,"é"]}'))
    assert scene.publish(an_event(content='{"b":[true,"\\u00e9"],"a":1}')).duplicate


def test_numbers_are_compared_digit_by_digit(scene: Scene) -> None:
    scene.publish(an_event(content='{"a":0.1234567890123456789,"b":1}'))
    assert scene.publish(an_event(content='{"a":0.12345678901234567890,"b":1.0}')).duplicate
    assert publish(scene.app, [an_event(content='{"a":0.1234567890123456788,"b":1}')]) == [Conflict("key-1")]


@pytest.mark.parametrize("erased", [False, True])
def test_an_event_that_an_earlier_version_accepted_is_a_duplicate(scene: Scene, erased: bool) -> None:
    event = an_event(content='{"a":1.5}')
    scene.publish(event)
    stored = scene.app.events.find(event.key, scene.clock.now)
    assert stored is not None
    by_doubles = hashlib.sha256(b'["custom.test",{"a":1.5}]').hexdigest()
    row = stored.model_copy(update={"fingerprint": by_doubles})
    table = scene.app.services.table(table_name("events", row.accepted_ms))
    table.upsert(event_entity(row))
    if erased:
        scene.app.events.erase(row)
    assert scene.publish(an_event(content='{"a":1.50}')).duplicate
    assert publish(scene.app, [an_event(content='{"a":2}')]) == [Conflict("key-1")]


@pytest.mark.parametrize("other", [an_event(content='{"a":2}'), an_event(type="custom.other"), an_event(content="{}")])
def test_the_same_key_for_another_event_is_a_conflict(scene: Scene, other: object) -> None:
    scene.register()
    scene.publish(an_event())
    scene.queue.held.clear()
    assert publish(scene.app, [other]) == [Conflict("key-1")]  # type: ignore[list-item]
    assert scene.queue.held == []


def test_an_endpoint_registered_later_gets_nothing_of_an_earlier_event(scene: Scene) -> None:
    scene.publish(an_event())
    scene.register()
    assert scene.publish(an_event()) == Accepted("key-1", 0, True)
    assert scene.queue.held == []


def test_several_events_are_answered_in_order(scene: Scene) -> None:
    scene.register()
    scene.publish(an_event("b", content='{"other":1}'))
    result = publish(scene.app, [an_event("a"), an_event("b"), an_event("c"), an_event("a")])
    assert result == [Accepted("a", 1, False), Conflict("b"), Accepted("c", 1, False), Accepted("a", 1, True)]


def test_a_call_that_would_make_too_many_deliveries_makes_none(scene: Scene) -> None:
    endpoints = 21
    for number in range(endpoints):
        scene.register(f"https://receiver.example/{number}")
    events = [an_event(f"key-{number}") for number in range(MOST_DELIVERIES // endpoints + 1)]
    assert publish(scene.app, events) == TooMany(len(events) * endpoints)
    assert scene.queue.held == []
    assert scene.app.events.find("key-0", scene.clock.now) is None


def test_a_message_that_could_not_be_put_is_put_when_the_caller_tries_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.register()

    def fail(text: str, delay: timedelta = timedelta()) -> None:
        raise StorageUnavailable("putting a message on deliveries: storage answered 500")

    with monkeypatch.context() as broken:
        broken.setattr(scene.queue, "put", fail)
        with pytest.raises(StorageUnavailable):
            publish(scene.app, [an_event()])
    assert scene.publish(an_event()).duplicate
    assert len(scene.queue.held) == 1


def test_a_failure_of_one_of_several_puts_is_a_failure_of_the_call(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        scene.register(f"https://receiver.example/{number}")
    put = scene.queue.put

    def fail_once(text: str, delay: timedelta = timedelta()) -> None:
        if len(scene.queue.held) == 3:
            monkeypatch.setattr(scene.queue, "put", put)
            raise StorageUnavailable("no")
        put(text, delay)

    monkeypatch.setattr(scene.queue, "put", fail_once)
    with pytest.raises(StorageUnavailable):
        publish(scene.app, [an_event()])


def test_the_callers_trace_is_carried_on_and_nonsense_is_replaced(scene: Scene) -> None:
    scene.register()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    publish(scene.app, [an_event("a")], trace)
    publish(scene.app, [an_event("b")], "nonsense\r\nX: y")
    carried, made = messages(scene.queue)
    assert carried.traceparent == trace
    assert made.traceparent != trace


def test_publishing_costs_one_insert_and_one_put_a_delivery(scene: Scene, calls: Calls) -> None:
    scene.register()
    scene.publish(an_event("warm-up"))
    calls.clear()
    scene.publish(an_event("one"))
    assert calls == [("POST", "events20261116")]  # puts are held by the scene


def test_an_endpoint_disabled_elsewhere_is_seen_within_the_cache_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, elsewhere = scene.register(), scene.elsewhere()
    assert elsewhere.publish(an_event("a")).deliveries == 1
    scene.change(endpoint.id, enabled=False)
    monkeypatch.setattr("shared.storage.snapshot.CACHE_SECONDS", -1.0)
    assert elsewhere.publish(an_event("b")).deliveries == 0


def test_an_empty_account_needs_no_preparation(another_account: Callable[[], str], scene: Scene) -> None:
    assert scene.publish(an_event()).deliveries == 0
    assert another_account() != scene.app.settings.storage_connection
