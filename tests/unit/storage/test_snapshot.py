"""A value from storage that a process may use for some seconds."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.storage import snapshot as snapshot_module
from shared.storage.clients import StorageUnavailable
from shared.storage.snapshot import CACHE_SECONDS, FAILURE_SECONDS, Snapshot


class Source:
    """What a snapshot reads; it counts, and fails while `down`."""

    def __init__(self) -> None:
        self.reads = 0
        self.down = False

    def __call__(self) -> int:
        self.reads += 1
        if self.down:
            raise StorageUnavailable("simulated")
        return self.reads


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(snapshot_module, "time", clock)
    return clock


@pytest.fixture
def source() -> Source:
    return Source()


def test_a_value_is_read_again_when_it_is_some_seconds_old(source: Source, time: Time) -> None:
    assert CACHE_SECONDS < 5, "changes take effect everywhere within 5 s"
    snapshot = Snapshot(source)
    assert [snapshot.get() for _ in range(5)] == [1] * 5
    time.now += CACHE_SECONDS
    assert snapshot.get() == 1
    time.now += 0.001
    assert [snapshot.get(), snapshot.get()] == [2, 2]


def test_what_was_forgotten_is_read_again_at_once(source: Source, time: Time) -> None:
    snapshot = Snapshot(source)
    snapshot.get()
    snapshot.forget()
    assert [snapshot.get(), snapshot.get()] == [2, 2]


def test_a_value_counts_from_when_it_was_asked_for(time: Time) -> None:
    """It may have changed while a slow answer was on its way."""
    slow = iter([3.0, 0.0])

    def read() -> float:
        took = next(slow)
        time.now += took
        return took

    snapshot = Snapshot(read)
    assert snapshot.get() == 3.0
    time.now += CACHE_SECONDS - 3.0
    assert snapshot.get() == 3.0
    time.now += 0.001
    assert snapshot.get() == 0.0


def test_after_a_failed_read_nobody_asks_for_a_while(source: Source, time: Time) -> None:
    snapshot = Snapshot(source)
    source.down = True
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            snapshot.get()
    assert source.reads == 1
    source.down = False
    time.now += FAILURE_SECONDS
    assert snapshot.get() == 2


def test_after_a_slow_failure_the_while_begins_at_its_end(time: Time) -> None:
    reads: list[float] = []

    def time_out() -> None:
        reads.append(time.now)
        time.now += 20
        raise StorageUnavailable("timed out")

    snapshot: Snapshot[None] = Snapshot(time_out)
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            snapshot.get()
    assert len(reads) == 1


def in_threads(count: int, act: Callable[[], object]) -> list[object]:
    start = threading.Barrier(count)

    def run(_: int) -> object:
        start.wait()
        try:
            return act()
        except StorageUnavailable:
            return StorageUnavailable

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def test_of_many_who_find_it_old_one_reads(source: Source) -> None:
    assert in_threads(16, Snapshot(source).get) == [1] * 16
    assert source.reads == 1


def test_of_many_who_wait_for_a_read_that_fails_none_reads_again(source: Source) -> None:
    """Each waiting worker had a time-out of its own, one after the other."""
    source.down = True
    assert in_threads(16, Snapshot(source).get) == [StorageUnavailable] * 16
    assert source.reads == 1


def test_each_loop_waits_for_its_own_read() -> None:
    """A test event is sent on a loop of its own: beside a read of the dispatcher's it failed, and the other way round
    deliveries did."""
    both_ask, go_on = threading.Barrier(3), threading.Event()

    def read() -> int:
        go_on.wait(10)
        return 7

    snapshot = Snapshot(read)

    async def get_twice() -> list[int]:
        asking = [asyncio.ensure_future(snapshot.get_on_loop(asyncio.to_thread)) for _ in range(2)]
        await asyncio.sleep(0)
        both_ask.wait(10)
        return await asyncio.gather(*asking)

    with ThreadPoolExecutor(2) as threads:
        loops = [threads.submit(asyncio.run, get_twice()) for _ in range(2)]
        both_ask.wait(10)
        go_on.set()
        assert [each.result(10) for each in loops] == [[7, 7]] * 2
