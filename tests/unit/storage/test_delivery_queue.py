"""Copies of a message in one instance: one of them in hand at a time, and none put while the same one is hidden."""

from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from doubles.running import run
from doubles.simulated_storage import START
from shared.model import DeliveryId, digest
from shared.storage import delivery_queue as module
from shared.storage.clients import StorageUnavailable
from shared.storage.delivery_queue import DeliveryQueue
from shared.storage.messages import Message, decode
from shared.storage.queues import Queue

HOLD = timedelta(seconds=60)


class Puts:
    """Takes what is put, from threads and from the loop."""

    name = "deliveries"

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.fails = False

    def keep(self, text: str) -> None:
        if self.fails:
            raise StorageUnavailable("simulated")
        self.messages.append(decode(text.encode()))


class FromThreads(Puts):
    def put(self, text: str, delay: timedelta) -> None:
        self.keep(text)


class FromLoop(Puts):
    async def put(self, queue: str, text: str, delay: timedelta = timedelta()) -> None:
        assert queue == self.name
        self.keep(text)


class Clocks:
    """The wall clock and the monotonic one."""

    def __init__(self) -> None:
        self.wall, self.monotonic = START, 1000.0

    def now(self) -> datetime:
        return self.wall

    def seconds(self) -> float:
        return self.monotonic


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def puts() -> FromLoop:
    return FromLoop()


@pytest.fixture
def queue(clocks: Clocks, puts: FromLoop) -> DeliveryQueue:
    return DeliveryQueue(cast(Queue, FromThreads()), puts, clocks.now, clocks.seconds)


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


def put(queue: DeliveryQueue, given: Message) -> None:
    run(queue.put(given, HOLD))


def test_one_of_a_delivery_is_in_hand_at_a_time(queue: DeliveryQueue) -> None:
    with queue.claim(message()) as first, queue.claim(message(attempt=2)) as second:
        assert (first, second) == (True, False)
    with queue.claim(message()) as again:
        assert again


def test_a_copy_that_waits_does_not_take_the_place_of_the_one_in_hand(queue: DeliveryQueue) -> None:
    with queue.claim(message()):
        with queue.claim(message()):
            pass
        with queue.claim(message()) as third:
            assert not third


def test_a_copy_of_what_is_hidden_is_not_put(queue: DeliveryQueue, puts: FromLoop, clocks: Clocks) -> None:
    put(queue, message())
    clocks.wall += timedelta(seconds=59)
    put(queue, message(due_at=START + 2 * HOLD))
    assert len(puts.messages) == 1


@pytest.mark.parametrize("clock", ["both", "the wall clock alone", "the monotonic clock alone", "back"])
def test_when_either_clock_says_that_its_time_is_over_it_is_put(
    queue: DeliveryQueue, puts: FromLoop, clocks: Clocks, clock: str
) -> None:
    put(queue, message())
    if clock in ("both", "the monotonic clock alone"):
        clocks.monotonic += 60
    clocks.wall += {"the monotonic clock alone": timedelta(), "back": -timedelta(hours=1)}.get(clock, HOLD)
    put(queue, message(due_at=START + 2 * HOLD))
    assert len(puts.messages) == 2


def test_a_redelivered_one_stands_for_any_but_none_for_it(queue: DeliveryQueue, puts: FromLoop) -> None:
    for redelivered in (False, True, False, True):
        put(queue, message(redelivered=redelivered))
    assert [each.redelivered for each in puts.messages] == [False, True]


def test_what_failed_to_be_put_is_put_again(queue: DeliveryQueue, puts: FromLoop) -> None:
    puts.fails = True
    with pytest.raises(StorageUnavailable):
        put(queue, message())
    puts.fails = False
    put(queue, message())
    assert len(puts.messages) == 1


def test_the_very_message_that_was_put_can_be_put_back_whatever_the_clocks_say(
    queue: DeliveryQueue, puts: FromLoop, clocks: Clocks
) -> None:
    put(queue, message())
    with queue.claim(puts.messages[0]):
        clocks.wall += timedelta(seconds=1)
        put(queue, message(due_at=START + 2 * HOLD))
    assert len(puts.messages) == 2


@pytest.mark.parametrize("change", [{"attempt": 2}, {"generation": 2}, {"deadline_at": START + HOLD}, {"manual": True}])
def test_another_message_of_the_delivery_is_no_copy(
    queue: DeliveryQueue, puts: FromLoop, change: dict[str, Any]
) -> None:
    put(queue, message())
    put(queue, message(**change))
    assert len(puts.messages) == 2


def test_it_remembers_so_many_and_forgets_the_oldest(
    queue: DeliveryQueue, puts: FromLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    for attempt in (1, 2, 3, 2, 1):
        put(queue, message(attempt=attempt))
    assert [each.attempt for each in puts.messages] == [1, 2, 3, 1]


@pytest.mark.parametrize("count", [0, 1, 200])
def test_from_a_thread_all_are_put_or_the_call_fails(clocks: Clocks, count: int) -> None:
    threads = FromThreads()
    queue = DeliveryQueue(cast(Queue, threads), FromLoop(), clocks.now, clocks.seconds)
    queue.put_many([message(attempt=number + 1) for number in range(count)])
    assert {each.attempt for each in threads.messages} == {number + 1 for number in range(count)}
    threads.fails = True
    if count:
        with pytest.raises(StorageUnavailable):
            queue.put_many([message(attempt=number + 1) for number in range(count)])
