"""What runs past its deadline is ended, once."""

import threading
import time

from shared.outbound.watchdog import Watchdog


class Item:
    def __init__(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.over = False
        self.expirations: list[float] = []
        self.expired = threading.Event()

    def expire(self) -> None:
        self.expirations.append(time.monotonic())
        self.expired.set()


def test_an_item_is_expired_at_its_deadline_and_not_before() -> None:
    item = Item(0.1)
    Watchdog().watch(item)
    assert item.expired.wait(5)
    assert item.expirations[0] >= item.ends_at
    assert item.expirations[0] - item.ends_at < 1


def test_each_item_is_expired_once_in_the_order_of_deadlines() -> None:
    watchdog = Watchdog()
    items = [Item(0.05 + 0.01 * number) for number in range(5)]
    for item in items:
        watchdog.watch(item)
    assert items[-1].expired.wait(5)
    assert [len(item.expirations) for item in items] == [1] * 5
    assert sorted(item.expirations[0] for item in items) == [item.expirations[0] for item in items]


def test_what_finished_in_time_is_left_alone() -> None:
    watchdog = Watchdog()
    finished, late = Item(0.05), Item(0.1)
    watchdog.watch(finished)
    watchdog.watch(late)
    finished.over = True
    assert late.expired.wait(5)
    assert finished.expirations == []


def test_it_works_on_after_having_had_nothing_to_do() -> None:
    watchdog = Watchdog()
    for _ in range(3):
        item = Item(0.02)
        watchdog.watch(item)
        assert item.expired.wait(5)


def test_it_keeps_no_process_alive_and_starts_with_the_first_item_only() -> None:
    before = {thread.ident for thread in threading.enumerate() if thread.name == "watchdog"}
    watchdog = Watchdog()
    assert {thread.ident for thread in threading.enumerate() if thread.name == "watchdog"} == before
    watchdog.watch(Item(0.02))
    watchdog.watch(Item(0.02))
    new = [each for each in threading.enumerate() if each.name == "watchdog" and each.ident not in before]
    assert len(new) == 1
    assert new[0].daemon


def test_a_shorter_deadline_is_kept_before_a_longer_one_that_came_first() -> None:
    watchdog = Watchdog()
    long, short = Item(30), Item(0.1)
    watchdog.watch(long)
    watchdog.watch(short)
    assert short.expired.wait(5)
    assert short.expirations[0] - short.ends_at < 1
    assert long.expirations == []
    long.over = True
