"""Ordered endpoints, on storage in memory: who waits for whom, for how long, and what it costs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from doubles import registering
from doubles.ordered_world import SCHEDULE, SETTINGS, START, Dead, World, an_event, dies
from doubles.running import dispatch, exhausted
from shared.admin.erasure import erase
from shared.admin.retry import Refusal, retry
from shared.delivery.publisher import publish
from shared.delivery.succession import JUST_CALLED, LONGEST_WAIT, WAITS
from shared.outbound.client import Response
from shared.storage.pages import Filters
from shared.storage.queues import DELIVERIES, POISON


@pytest.fixture
def world() -> World:
    return World()


def test_only_the_first_of_a_subject_has_a_message_and_the_others_say_that_they_wait(world: World) -> None:
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.publish("elsewhere", site="b")
    assert [message.key for message in world.queued()] == ["one", "elsewhere"]
    waiting = world.row("two")
    assert (waiting.status, waiting.reason, waiting.attempts) == ("pending", WAITS, ())
    world.run()
    assert world.order == ["one", "two", "three", "elsewhere"]
    assert {world.row(key).status for key in ("one", "two", "three", "elsewhere")} == {"delivered"}
    assert world.row("two").reason is None
    assert not world.sequences


def test_an_array_is_in_the_order_in_which_it_was_written(world: World) -> None:
    world.register()
    keys = [f"key-{number}" for number in range(20)]
    publish(world.app, [an_event(key) for key in keys])
    world.run()
    assert world.order == keys


def test_a_clock_that_goes_back_changes_no_order(world: World) -> None:
    """As when the next event is accepted by an instance whose clock is behind."""
    world.register()
    world.publish("one")
    world.now -= timedelta(seconds=5)
    world.publish("two")
    world.now -= timedelta(seconds=5)
    world.publish("three")
    world.now = START
    world.run()
    assert world.order == ["one", "two", "three"]


def test_who_fails_holds_the_others_for_its_schedule_and_no_longer(world: World) -> None:
    world.register()
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    world.publish("elsewhere", site="b")
    world.run()
    assert world.order == ["one", "elsewhere", "one", "one", "one", "two"]
    held = world.posts[-1][1] - START
    assert SCHEDULE <= held <= SCHEDULE * 1.1 + timedelta(seconds=1)
    assert world.row("one").status == "failed"
    assert [line[0] for line in world.app.alerts.log(Filters(), world.now, 10).items] == [world.id_of("one")]  # type: ignore[index]


def test_the_time_of_one_that_waited_counts_from_its_turn(world: World) -> None:
    world.register()
    world.failing = {"one", "two"}
    world.publish("one")
    world.publish("two")
    while not (called := [message for message in world.queued() if message.key == "two"]):
        world.step()
    late = called[0].deadline_at - world.now - SETTINGS.longest_delivery
    assert abs(late) < timedelta(milliseconds=1)


def test_after_a_day_it_is_given_up_unsent(world: World) -> None:
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.now += LONGEST_WAIT + timedelta(seconds=1)
    world.publish("new")
    world.run()
    assert world.order == ["one", "new"]
    for key in ("two", "three"):
        assert world.row(key).status == "failed"
        assert world.row(key).reason == "it waited 24 hours for earlier deliveries of its subject"
    assert len(world.app.alerts.log(Filters(), world.now, 10).items) == 2
    assert not world.sequences


def test_there_is_an_end_to_how_many_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.storage.sequences.MOST_IN_ONE", 2)
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.run()
    assert world.order == ["one", "two"]
    assert world.row("three").status == "failed"
    assert world.row("three").reason == "1000 deliveries of its subject wait already"


def test_turned_off_what_waits_keeps_its_order_and_new_events_go_at_once(world: World) -> None:
    endpoint = world.register()
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    registering.modify(world.app.endpoints, endpoint.id, world.now, ordered=False)
    world.publish("three")
    world.run()
    assert world.order == ["one", "three", "one", "one", "one", "two"]
    assert not world.row("three").sequence


def test_turned_on_nobody_waits_for_what_was_accepted_before(world: World) -> None:
    endpoint = world.register(ordered=False)
    world.failing = {"one", "two"}
    world.publish("one")
    registering.modify(world.app.endpoints, endpoint.id, world.now, ordered=True)
    world.publish("two")
    world.publish("three")
    world.run()
    assert world.order[:2] == ["one", "two"]
    assert [key for key in world.order if key != "one"] == ["two"] * 4 + ["three"]


def test_a_deleted_endpoint_leaves_nobody_waiting(world: World) -> None:
    endpoint = world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.app.endpoints.delete(endpoint.id)
    world.run()
    assert not world.posts
    assert {world.row(key).status for key in ("one", "two", "three")} == {"cancelled"}
    assert not world.sequences


def test_registered_again_nobody_waits_for_what_was_before(world: World) -> None:
    endpoint = world.register()
    world.failing = {"one"}
    world.publish("one")
    world.step()
    world.publish("two")
    world.app.endpoints.delete(endpoint.id)
    world.now += timedelta(seconds=1)
    world.register()
    world.publish("three")
    world.run()
    assert world.order == ["one", "three"]
    assert world.row("two").status == "cancelled"
    assert not world.sequences


def test_an_erased_event_is_passed_over(world: World) -> None:
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    row = world.app.events.find("two", world.now)
    assert row is not None
    erase(world.app, row)
    world.run()
    assert world.order == ["one", "three"]
    assert world.row("two").status == "cancelled"


def test_who_is_erased_between_two_attempts_makes_room(world: World) -> None:
    world.register()
    world.failing = {"one"}
    world.publish("one")
    world.publish("two")
    world.step()
    row = world.app.events.find("one", world.now)
    assert row is not None
    erase(world.app, row)
    world.run()
    assert world.order == ["one", "two"]
    assert not world.sequences


def test_a_retry_waits_for_nobody(world: World) -> None:
    world.register()
    world.failing = {"one"}
    world.publish("one")
    world.run()
    world.publish("two")
    assert retry(world.app, world.id_of("one"), world.row("one")) is None
    assert [message.sequence for message in world.queued() if message.key == "one"] == [""]
    world.run()
    assert world.order == ["one"] * 4 + ["two"] + ["one"] * 4
    assert world.row("one").status == "failed"
    assert not world.sequences


def test_one_that_was_delivered_by_a_retry_while_it_was_held_makes_room(world: World) -> None:
    """Its own message comes to nothing, and those behind it wait for no timer."""
    world.register()
    world.answers["one"] = [Response(500, None, None), Response(429, None, timedelta(hours=1))]
    world.publish("one")
    world.publish("two")
    world.step()
    world.step()
    world.now += timedelta(minutes=50)
    assert retry(world.app, world.id_of("one"), world.row("one")) is None
    World(world.account, world.now).step()  # by an instance that nobody has asked for less
    assert world.row("one").status == "delivered"
    world.run()
    assert world.order == ["one", "one", "two"]
    assert not world.sequences


def test_one_that_waits_is_not_retried(world: World) -> None:
    world.register()
    world.publish("one")
    world.publish("two")
    refused = retry(world.app, world.id_of("two"), world.row("two"))
    assert isinstance(refused, Refusal)
    assert refused.kind == "It is still on its way"


def test_who_comes_back_calls_only_those_that_nobody_has_just_called(world: World) -> None:
    world.register()
    world.failing = {"two"}
    world.publish("one")
    world.publish("two")
    (first,) = world.account.queues[DELIVERIES]
    world.step()
    (following,) = world.queued()
    assert (following.key, following.attempt) == ("two", 2)
    dispatch(world.app, first.text.encode(), 2)
    assert world.queued() == [following], "who called it is alive"
    world.now += JUST_CALLED
    dispatch(world.app, first.text.encode(), 2)
    _, again = world.queued()
    assert (again.key, again.attempt, again.redelivered) == ("two", 1, True)
    world.run()
    assert world.order == ["one", *["two"] * 4]


def test_who_could_not_put_the_next_does_so_when_its_message_comes_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the minute for which the host hides what has failed."""
    world.register()
    world.publish("one")
    world.publish("two")
    (first,) = world.account.queues[DELIVERIES]
    with monkeypatch.context() as patched:
        patched.setattr("shared.delivery.succession._message", dies)
        with pytest.raises(RuntimeError):
            world.step()
    assert world.order == ["one"]
    world.now += timedelta(seconds=60)
    dispatch(world.app, first.text.encode(), 2)
    world.account.queues[DELIVERIES].remove(first)
    world.run()
    assert world.order == ["one", "two"]
    assert not world.sequences


@pytest.mark.parametrize("others", [[], ["three"], ["three", "four"]])
@pytest.mark.parametrize("ended", [True, False])
def test_who_joins_without_knowing_it_is_sent_once_and_holds_nobody(
    world: World, others: list[str], ended: bool
) -> None:
    """The answer to the write of "two" is lost, and the SDK repeats it; meanwhile it is called, and perhaps sent."""
    world.register()
    world.publish("one")

    def before_the_repeated_write() -> None:
        world.account.step = lambda: None
        two = world.id_of("two")
        world.app.sequences.join(two, world.queued()[0].sequence, world.now)
        for key in others:
            world.publish(key)
        if not ended:
            world.failing = {"two"}
        world.step()
        world.failing = set()

    def step() -> None:
        if world.account.calls == replaces_at:
            before_the_repeated_write()

    world.account.calls, replaces_at = 0, 3  # after the inserts of the event and the sequence, and its read
    world.account.step = step
    world.publish("two")
    world.account.step = lambda: None
    world.run()
    assert world.order == ["one", "two", *([] if ended else ["two"]), *others]
    assert {world.row(key).status for key in ("one", "two", *others)} == {"delivered"}
    assert not world.sequences


def test_so_does_who_told_of_a_failure_and_died_before_it_could_put_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.register()
    for key in ("one", "two", "three"):
        world.publish(key)
    world.now += LONGEST_WAIT + timedelta(seconds=1)
    world.step()
    (first,) = world.account.queues[POISON]
    world.publish("new")
    with monkeypatch.context() as patched:
        patched.setattr("shared.delivery.succession._message", dies)
        with pytest.raises(RuntimeError):
            exhausted(world.app, first.text.encode(), world.now)
    world.now += timedelta(seconds=60)
    exhausted(world.app, first.text.encode(), world.now, 2)
    world.account.queues[POISON].remove(first)
    world.run()
    assert world.order == ["one", "new"]
    assert len(world.app.alerts.log(Filters(), world.now, 10).items) == 2
    assert not world.sequences


def test_publishing_again_puts_no_second_message_of_one_that_waits(world: World) -> None:
    world.register()
    for key in ("one", "two", "two"):
        world.publish(key)
    assert [message.key for message in world.queued()] == ["one"]
    world.run()
    world.publish("two")
    world.run()
    assert world.order == ["one", "two"]
    assert not world.sequences


def calls_of(keys: list[str], **given: Any) -> int:
    """Calls to storage of publishing and delivering events of one subject, once all tables are there."""
    world = World()
    world.register(**given)
    world.publish("warm")
    world.publish("up")
    world.run()
    before = world.account.calls
    for key in keys:
        world.publish(key)
    world.run()
    return world.account.calls - before


def test_what_it_costs() -> None:
    """docs/operations.md says so."""
    without = calls_of(["one"], ordered=False)
    assert calls_of(["one"]) == without + 3
    assert calls_of(["one", "two"]) - calls_of(["one"]) == without + 7
    assert calls_of(["one", "two", "three"]) - calls_of(["one", "two"]) == without + 7


def test_an_endpoint_that_is_not_ordered_never_asks(world: World) -> None:
    world.app = replace(world.app, sequences=cast(Any, Dead()))
    world.register(ordered=False)
    world.publish("one")
    world.publish("two")
    world.run()
    assert world.order == ["one", "two"]
