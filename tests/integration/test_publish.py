"""Accepting events."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.delivery import publisher
from shared.delivery.deadlines import REPEAT_DELAY
from shared.delivery.publisher import Accepted, Conflict, NotTaken, publish
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


# More than one call may make


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> Scene:
    """A call makes at most ten deliveries, and there are three endpoints."""
    monkeypatch.setattr(publisher, "MOST_DELIVERIES", 10)
    for number in range(3):
        scene.register(f"https://receiver.example/{number}")
    return scene


EIGHT = [an_event(f"key-{number}") for number in range(8)]


def accepted(number: int, duplicate: bool = False) -> Accepted:
    return Accepted(f"key-{number}", 3, duplicate)


def left(*numbers: int) -> list[NotTaken]:
    return [NotTaken(f"key-{number}") for number in numbers]


def put(scene: Scene) -> list[str]:
    """The key of each message on the queue."""
    return sorted(message.key for message in messages(scene.queue))


def test_of_too_many_deliveries_those_are_made_that_there_is_room_for(small: Scene) -> None:
    """21 endpoints, which one subscriber may have, made each array of 100 a 400 for good."""
    assert publish(small.app, EIGHT) == [accepted(0), accepted(1), accepted(2), *left(3, 4, 5, 6, 7)]
    assert put(small) == ["key-0"] * 3 + ["key-1"] * 3 + ["key-2"] * 3
    assert small.app.events.find("key-3", small.clock.now) is None
    assert publish(small.app, EIGHT[3:]) == [accepted(3), accepted(4), accepted(5), *left(6, 7)]
    assert publish(small.app, EIGHT[6:]) == [accepted(6), accepted(7)]
    assert put(small) == sorted(f"key-{number}" for number in [*range(8)] * 3)


def test_who_sends_the_whole_array_again_gets_on_too(small: Scene) -> None:
    publish(small.app, EIGHT)
    again = publish(small.app, EIGHT)
    assert again == [*(accepted(number, number < 3) for number in range(6)), *left(6, 7)]
    assert publish(small.app, EIGHT) == [accepted(number, number < 6) for number in range(8)]
    assert put(small) == sorted(f"key-{number}" for number in [*range(8)] * 3), "nothing is put twice"
    small.run()
    assert len(small.receiver.posts) == 24


def test_another_publishers_array_does_not_mark_an_event_whose_messages_are_missing(
    small: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own publisher was told that it was there, and no message of it ever was."""

    def dying(*_: object) -> None:
        raise StorageUnavailable("simulated")

    with monkeypatch.context() as broken:
        broken.setattr(small.app.queue, "put_many", dying)
        with pytest.raises(StorageUnavailable):
            publish(small.app, EIGHT[:1], publisher="ann")
    publish(small.app, EIGHT, publisher="ben")
    before = len(put(small))
    assert publish(small.app, EIGHT, publisher="ann")[0] == accepted(0, duplicate=True)
    assert len(put(small)) >= before + 3


def test_a_large_event_does_not_keep_the_small_ones_after_it_out(small: Scene) -> None:
    for number in range(9):
        small.register(f"https://wide.example/{number}", types=("custom.wide",))
    wide = [an_event(f"wide-{number}", type="custom.wide") for number in range(2)]
    assert publish(small.app, [EIGHT[0], wide[0], EIGHT[1]]) == [accepted(0), NotTaken("wide-0"), accepted(1)]
    assert publish(small.app, wide) == [Accepted("wide-0", 12, False), NotTaken("wide-1")], "nothing is left for good"


def test_one_event_is_taken_whole_however_many_want_it(small: Scene) -> None:
    for number in range(9):
        small.register(f"https://another.example/{number}")
    assert publish(small.app, [an_event()]) == [Accepted("key-1", 12, False)]


def test_a_clash_takes_no_room(small: Scene) -> None:
    publish(small.app, [an_event("key-0", content='{"other":1}')])
    assert publish(small.app, EIGHT[:5]) == [Conflict("key-0"), accepted(1), accepted(2), accepted(3), *left(4)]


def test_what_a_call_left_unfinished_takes_room_and_is_finished(small: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that failed between an event and its messages has not marked it."""
    original, puts = small.queue.put, 0

    def fail_later(text: str, delay: timedelta = timedelta()) -> None:
        nonlocal puts
        puts += 1
        if puts > 4:
            raise StorageUnavailable("simulated")
        original(text, delay)

    with monkeypatch.context() as broken:
        broken.setattr(small.queue, "put", fail_later)
        with pytest.raises(StorageUnavailable):
            publish(small.app, EIGHT)
    small.queue.held.clear()
    again = publish(small.app, EIGHT)
    assert again == [accepted(0, True), accepted(1, True), accepted(2), accepted(3), *left(4, 5, 6, 7)]
    assert put(small)[:3] == ["key-1"] * 3


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
