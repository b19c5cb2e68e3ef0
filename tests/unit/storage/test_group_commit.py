"""Rows of one partition that meet are written together, and each caller is told what became of its own."""

import asyncio
import gc
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doubles.virtual_time import run
from shared.storage.clients import StorageUnavailable, Written
from shared.storage.group_commit import MOST_BYTES, MOST_TOGETHER, GroupCommit


@dataclass
class Store:
    """Takes a second for each call, and keeps what it was asked to write, call by call."""

    clashing: set[str] = field(default_factory=set)
    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    down: bool = False
    under_way: dict[str, int] = field(default_factory=dict)
    """Transactions and first single writes of each partition: there is never more than one."""

    async def one(self, partition: str, operation: str) -> Written:
        await self._call(partition, [operation])
        if operation in self.clashing:
            return Written.CONFLICT
        self.stored.append(operation)
        return Written.DONE

    async def together(self, partition: str, operations: Sequence[str]) -> bool:
        assert self.under_way.get(partition, 0) == 0
        await self._call(partition, list(operations))
        if self.clashing & set(operations):
            return False
        self.stored.extend(operations)
        return True

    async def _call(self, partition: str, operations: list[str]) -> None:
        self.calls.append((partition, operations))
        self.under_way[partition] = self.under_way.get(partition, 0) + 1
        try:
            await asyncio.sleep(1)
        finally:
            self.under_way[partition] -= 1
        if self.down:
            raise StorageUnavailable("down")

    @property
    def sizes(self) -> list[int]:
        return [len(operations) for _, operations in self.calls]


def group_of(store: Store) -> GroupCommit[str, str]:
    return GroupCommit(store.one, store.together)


def start(coroutine: Coroutine[Any, Any, Written]) -> "asyncio.Task[Written]":
    return asyncio.get_running_loop().create_task(coroutine)


async def begun(*tasks: "asyncio.Task[Written]") -> None:
    """Lets what was started reach the store."""
    for _ in range(4):
        await asyncio.sleep(0)


def test_the_first_is_written_at_once_and_those_that_come_meanwhile_go_together() -> None:
    async def main() -> None:
        store = Store()
        group = group_of(store)
        first = start(group.write("p", "a", 10))
        await begun(first)
        others = [start(group.write("p", name, 10)) for name in "bcd"]
        assert await first is Written.DONE
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)
        assert [await each for each in others] == [Written.DONE] * 3
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)
        assert store.calls == [("p", ["a"]), ("p", ["b", "c", "d"])]

    run(main())


def test_two_operations_of_one_row_never_go_together() -> None:
    """Azure refuses a transaction that names a row twice, and with it up to 98 others."""

    async def main() -> None:
        store = Store()
        group: GroupCommit[str, str] = GroupCommit(store.one, store.together, row=lambda operation: operation[0])
        first = start(group.write("p", "a1", 10))
        await begun(first)
        others = [start(group.write("p", name, 10)) for name in ("b1", "c1", "b2", "d1")]
        assert [await each for each in (first, *others)] == [Written.DONE] * 5
        assert store.calls == [("p", ["a1"]), ("p", ["b1", "c1"]), ("p", ["b2", "d1"])]

    run(main())


def test_one_alone_is_no_transaction() -> None:
    async def main() -> None:
        store = Store()
        group = group_of(store)
        for name in "abc":
            assert await group.write("p", name, 10) is Written.DONE
        assert store.sizes == [1, 1, 1]

    run(main())


def test_partitions_do_not_wait_for_each_other() -> None:
    async def main() -> None:
        store = Store()
        group = group_of(store)
        await asyncio.gather(*(group.write(partition, partition, 10) for partition in "pqrs"))
        assert asyncio.get_running_loop().time() == pytest.approx(1.0)

    run(main())


def test_a_transaction_has_at_most_a_hundred_operations_in_order() -> None:
    async def main() -> None:
        store = Store()
        group = group_of(store)
        names = [f"{number:03}" for number in range(251)]
        await asyncio.gather(*(group.write("p", name, 10) for name in names))
        assert store.sizes == [MOST_TOGETHER, MOST_TOGETHER, 51]
        assert store.stored == names

    run(main())


def test_a_transaction_has_at_most_two_mebibytes_and_a_larger_row_goes_alone() -> None:
    async def main() -> None:
        store = Store()
        group = group_of(store)
        sizes = [MOST_BYTES // 2, MOST_BYTES // 2, 1, MOST_BYTES + 1, 5]
        await asyncio.gather(*(group.write("p", str(size) + str(at), size) for at, size in enumerate(sizes)))
        assert store.sizes == [2, 1, 1, 1]

    run(main())


def test_where_one_clashes_each_is_written_alone_and_has_its_own_outcome() -> None:
    async def main() -> None:
        store = Store(clashing={"b"})
        group = group_of(store)
        written = await asyncio.gather(*(group.write("p", name, 10) for name in "abc"))
        assert written == [Written.DONE, Written.CONFLICT, Written.DONE]
        assert sorted(store.stored) == ["a", "c"]
        assert asyncio.get_running_loop().time() == pytest.approx(2.0), "the single writes do not wait for each other"

    run(main())


@pytest.mark.parametrize("count", [1, 5])
def test_whoever_may_or_may_not_be_stored_is_told_that_storage_is_out_of_reach(count: int) -> None:
    async def main() -> None:
        store = Store(down=True)
        group = group_of(store)
        outcomes = await asyncio.gather(
            *(group.write("p", str(number), 10) for number in range(count)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * count
        store.down = False
        assert await group.write("p", "later", 10) is Written.DONE, "those that come later are not affected"

    run(main())


def test_each_of_the_single_writes_has_its_own_failure() -> None:
    class Moody(Store):
        async def one(self, partition: str, operation: str) -> Written:
            written = await super().one(partition, operation)
            if operation == "b":
                raise StorageUnavailable("for b")
            return written

    async def main() -> None:
        group = group_of(Moody(clashing={"c"}))
        a, b, c = await asyncio.gather(*(group.write("p", name, 10) for name in "abc"), return_exceptions=True)
        assert (a, c) == (Written.DONE, Written.CONFLICT)
        assert isinstance(b, StorageUnavailable)

    run(main())


def test_a_caller_that_is_cut_off_while_its_row_is_written_takes_nothing_from_others() -> None:
    async def main() -> None:
        store = Store()
        group = group_of(store)
        callers = [start(group.write("p", name, 10)) for name in "abc"]
        await begun(*callers)
        callers[0].cancel()
        assert await asyncio.gather(*callers[1:]) == [Written.DONE] * 2
        assert callers[0].cancelled()
        assert store.calls == [("p", ["a", "b", "c"])]

    run(main())


def test_the_row_of_a_caller_that_is_cut_off_while_it_waits_is_left_out() -> None:
    async def main() -> None:
        store = Store()
        group = group_of(store)
        first = start(group.write("p", "a", 10))
        await begun(first)
        others = [start(group.write("p", name, 10)) for name in "bcd"]
        await begun(*others)
        others[0].cancel()
        await asyncio.gather(first, *others[1:])
        assert store.stored == ["a", "c", "d"]

    run(main())


def test_when_the_loop_ends_in_the_middle_of_a_write_nobody_hangs() -> None:
    """`asyncio.run` cancels every task, among them the one that writes."""

    async def main() -> None:
        store = Store()
        group = group_of(store)
        first = start(group.write("p", "a", 10))
        await begun(first)
        waiting = start(group.write("p", "b", 10))
        await begun(waiting)
        for task in asyncio.all_tasks() - {asyncio.current_task(), first, waiting}:
            task.cancel()
        with pytest.raises(StorageUnavailable, match="may or may not"):
            await first
        with pytest.raises(StorageUnavailable, match="was not written"):
            await waiting
        assert await group.write("p", "c", 10) is Written.DONE

    run(main())


def test_nothing_is_kept_of_partitions_at_rest() -> None:
    async def main() -> None:
        group = group_of(Store())
        await asyncio.gather(*(group.write(f"p{number % 50}", str(number), 10) for number in range(200)))
        await begun()
        assert not group._waiting
        assert not group._writers

    run(main())


def test_a_failure_nobody_waits_for_is_not_reported_as_lost(recwarn: pytest.WarningsRecorder) -> None:
    lost: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: lost.append(context))
        group = group_of(Store(down=True))
        caller = start(group.write("p", "a", 10))
        await begun(caller)
        caller.cancel()
        await asyncio.sleep(2)

    run(main())
    gc.collect()
    assert not lost


class ChanceStore:
    """Keeps rows once each, answers after a while, clashes, fails before or after it has stored, as chance has it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.times_stored: dict[tuple[str, int], int] = {}
        self.clashing: set[int] = set()
        self.uncertain: set[int] = set()
        """Rows of which a call that failed had stored, or may have."""

    async def one(self, partition: str, operation: int) -> Written:
        await self._pass_time([operation])
        if operation in self.clashing:
            return Written.CONFLICT
        self._store(partition, [operation])
        await self._fail_late([operation])
        return Written.DONE

    async def together(self, partition: str, operations: Sequence[int]) -> bool:
        assert 2 <= len(operations) <= MOST_TOGETHER
        assert len(set(operations)) == len(operations)
        await self._pass_time(operations)
        if self.clashing & set(operations):
            return False
        self._store(partition, operations)
        await self._fail_late(operations)
        return True

    async def _pass_time(self, operations: Sequence[int]) -> None:
        await asyncio.sleep(self.chance.choice((0, 0, 0.1, 1, 3)))
        if self.chance.random() < 0.1:
            self.uncertain.update(operations)
            raise StorageUnavailable("before")

    async def _fail_late(self, operations: Sequence[int]) -> None:
        await asyncio.sleep(self.chance.choice((0, 0.1, 1)))
        if self.chance.random() < 0.1:
            self.uncertain.update(operations)
            raise StorageUnavailable("after")

    def _store(self, partition: str, operations: Sequence[int]) -> None:
        for operation in operations:
            key = (partition, operation)
            self.times_stored[key] = self.times_stored.get(key, 0) + 1


@dataclass
class Caller:
    partition: str
    at: float
    size_bytes: int
    clashes: bool
    cancelled_after: float | None


CALLERS = st.lists(
    st.builds(
        Caller,
        partition=st.sampled_from("pq"),
        at=st.sampled_from([0.0, 0.0, 0.05, 0.1, 0.5, 1.0, 2.5]),
        size_bytes=st.sampled_from([1, 1000, MOST_BYTES // 2, MOST_BYTES, 2 * MOST_BYTES]),
        clashes=st.sampled_from([False, False, False, True]),
        cancelled_after=st.sampled_from([None, None, None, 0.0, 0.05, 0.1, 1.0, 1.1]),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(CALLERS, st.integers(0, 2**32))
def test_every_caller_is_told_the_truth_whatever_fails_and_whoever_is_cut_off(callers: list[Caller], seed: int) -> None:
    async def main() -> None:
        store = ChanceStore(random.Random(seed))
        store.clashing = {number for number, caller in enumerate(callers) if caller.clashes}
        group: GroupCommit[str, int] = GroupCommit(store.one, store.together)

        async def call(number: int, caller: Caller) -> Written:
            await asyncio.sleep(caller.at)
            return await group.write(caller.partition, number, caller.size_bytes)

        tasks = [start(call(number, caller)) for number, caller in enumerate(callers)]
        for task, caller in zip(tasks, callers, strict=True):
            if caller.cancelled_after is not None:
                asyncio.get_running_loop().call_later(caller.at + caller.cancelled_after, task.cancel)
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10_000)
        await asyncio.sleep(1000)  # writes whose callers were cut off
        assert not group._waiting
        assert not group._writers
        for number, (caller, outcome) in enumerate(zip(callers, outcomes, strict=True)):
            times = store.times_stored.get((caller.partition, number), 0)
            assert times <= 1, "nothing is written twice"
            if outcome is Written.DONE:
                assert times == 1
            elif outcome is Written.CONFLICT:
                assert number in store.clashing
            elif isinstance(outcome, StorageUnavailable):
                assert number in store.uncertain
            else:
                assert isinstance(outcome, asyncio.CancelledError)
                assert caller.cancelled_after is not None

    run(main())
