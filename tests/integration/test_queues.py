"""Queues: made on first use, texts as they are."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.storage.clients import Services
from shared.storage.queues import Queue, Received

from .conftest import Calls

HIDDEN = timedelta(minutes=5)


@pytest.fixture
def queue(services: Services) -> Queue:
    return Queue(services, "deliveries")


def test_a_queue_that_is_not_there_is_empty_and_is_made_by_the_first_message(queue: Queue) -> None:
    assert queue.length() == 0
    assert queue.receive(32, HIDDEN) == []
    queue.put("first")
    assert queue.length() == 1


@pytest.mark.parametrize("text", ['{"a":"<&>\\u00e9"}', "  spaces  ", "]]>", "&amp;", "é €"])
def test_a_text_goes_as_it_is(queue: Queue, text: str) -> None:
    queue.put(text)
    assert [message.body for message in queue.receive(1, HIDDEN)] == [text.encode()]


def test_a_message_of_64_kib_is_taken(queue: Queue) -> None:
    queue.put("x" * 65536)
    assert len(queue.receive(1, HIDDEN)[0].body) == 65536


def test_a_message_that_was_received_again_is_not_deleted_by_whoever_had_it_before(queue: Queue) -> None:
    queue.put("once")
    [before] = queue.receive(1, timedelta(seconds=1))
    again: list[Received] = []
    while not again:
        again = queue.receive(1, HIDDEN)
    queue.delete(before)
    assert queue.length() == 1
    queue.delete(again[0])
    assert queue.length() == 0


def test_what_is_received_is_hidden_until_deleted_for_good(queue: Queue) -> None:
    for number in range(3):
        queue.put(str(number))
    received = queue.receive(32, HIDDEN)
    assert sorted(message.body for message in received) == [b"0", b"1", b"2"]
    assert queue.receive(32, HIDDEN) == []
    for message in received:
        queue.delete(message)
        queue.delete(message)  # one that is gone is as good as deleted
    assert queue.length() == 0


def test_a_message_knows_when_it_was_put(queue: Queue) -> None:
    queue.put("x")
    [message] = queue.receive(1, HIDDEN)
    assert message.inserted_at is not None
    assert abs(datetime.now(UTC) - message.inserted_at) < timedelta(minutes=1)


@pytest.mark.parametrize("delay", [timedelta(milliseconds=1), timedelta(seconds=30), timedelta(days=7)])
def test_a_delayed_message_is_there_and_not_yet_visible(queue: Queue, delay: timedelta) -> None:
    queue.put("later", delay)
    assert queue.length() == 1
    assert queue.receive(32, HIDDEN) == []


def test_a_put_costs_one_call_once_the_queue_is_there(queue: Queue, calls: Calls) -> None:
    queue.put("first")
    calls.clear()
    queue.put("second")
    assert calls == [("POST", "deliveries/messages")]
