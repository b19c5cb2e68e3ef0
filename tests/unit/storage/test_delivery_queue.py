"""Copies of a message in one instance: one of them in hand at a time, and none put while the same one is hidden."""

from datetime import timedelta
from typing import Any, cast

import pytest

from doubles.simulated_storage import START
from shared.model import DeliveryId, digest
from shared.storage import delivery_queue as module
from shared.storage.clients import StorageUnavailable
from shared.storage.delivery_queue import Copies
from shared.storage.messages import Message, decode
from shared.storage.queues import Queue

HOLD = timedelta(seconds=60)


class Puts:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.fails = False

    def put(self, text: str, delay: timedelta) -> None:
        if self.fails:
            raise StorageUnavailable("simulated")
        self.messages.append(decode(text.encode()))


class Elapsed:
    """The monotonic clock."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def elapsed(monkeypatch: pytest.MonkeyPatch) -> Elapsed:
    elapsed = Elapsed()
    monkeypatch.setattr(module, "time", elapsed)
    return elapsed


def message(**changes: Any) -> Message:
    values: dict[str, Any] = {
        "delivery": str(DeliveryId(1, digest("key"), digest("endpoint"))),
        "type": "custom.test",
        "key": "key",
        "format": "point",
        "generation": 1,
        "event_accepted_ms": 1,
        "due_at": START + HOLD,
        "deadline_at": START + timedelta(hours=1),
        "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
    }
    return Message(**(values | changes))


def put(copies: Copies, puts: Puts, given: Message, after: timedelta = timedelta()) -> None:
    copies.put(cast(Queue, puts), given, HOLD, START + after)


def test_one_of_a_delivery_is_in_hand_at_a_time() -> None:
    copies = Copies()
    with copies.in_hand(message()) as first, copies.in_hand(message(attempt=2)) as second:
        assert (first, second) == (True, False)
    with copies.in_hand(message()) as again:
        assert again


def test_a_copy_that_waits_does_not_take_the_place_of_the_one_in_hand() -> None:
    copies = Copies()
    with copies.in_hand(message()):
        with copies.in_hand(message()):
            pass
        with copies.in_hand(message()) as third:
            assert not third


@pytest.mark.usefixtures("elapsed")
def test_a_copy_of_what_is_hidden_is_not_put() -> None:
    copies, puts = Copies(), Puts()
    put(copies, puts, message())
    put(copies, puts, message(due_at=START + 2 * HOLD), timedelta(seconds=59))
    assert len(puts.messages) == 1


@pytest.mark.parametrize("clock", ["both", "the wall clock alone", "the monotonic clock alone", "back"])
def test_when_either_clock_says_that_its_time_is_over_it_is_put(elapsed: Elapsed, clock: str) -> None:
    copies, puts = Copies(), Puts()
    put(copies, puts, message())
    if clock in ("both", "the monotonic clock alone"):
        elapsed.seconds += 60
    moved = {"the monotonic clock alone": timedelta(), "back": -timedelta(hours=1)}
    put(copies, puts, message(due_at=START + 2 * HOLD), moved.get(clock, HOLD))
    assert len(puts.messages) == 2


@pytest.mark.usefixtures("elapsed")
def test_one_that_came_back_stands_for_any_but_none_for_it() -> None:
    copies, puts = Copies(), Puts()
    put(copies, puts, message())
    put(copies, puts, message(redelivered=True))
    put(copies, puts, message())
    put(copies, puts, message(redelivered=True))
    assert [each.redelivered for each in puts.messages] == [False, True]


@pytest.mark.usefixtures("elapsed")
def test_what_failed_to_be_put_is_put_again() -> None:
    copies, puts = Copies(), Puts()
    puts.fails = True
    with pytest.raises(StorageUnavailable):
        put(copies, puts, message())
    puts.fails = False
    put(copies, puts, message())
    assert len(puts.messages) == 1


@pytest.mark.usefixtures("elapsed")
def test_the_very_message_that_was_put_can_be_put_back_whatever_the_clocks_say() -> None:
    copies, puts = Copies(), Puts()
    put(copies, puts, message())
    with copies.in_hand(puts.messages[0]):
        put(copies, puts, message(due_at=START + 2 * HOLD), timedelta(seconds=1))
    assert len(puts.messages) == 2


@pytest.mark.usefixtures("elapsed")
@pytest.mark.parametrize("change", [{"attempt": 2}, {"generation": 2}, {"deadline_at": START + HOLD}, {"asked": True}])
def test_another_message_of_the_delivery_is_no_copy(change: dict[str, Any]) -> None:
    copies, puts = Copies(), Puts()
    put(copies, puts, message())
    put(copies, puts, message(**change))
    assert len(puts.messages) == 2


@pytest.mark.usefixtures("elapsed")
def test_it_remembers_so_many_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    copies, puts = Copies(), Puts()
    for attempt in (1, 2, 3, 2, 1):
        put(copies, puts, message(attempt=attempt))
    assert [each.attempt for each in puts.messages] == [1, 2, 3, 1]
