"""Group commit: rows of one partition that are ready while a write of that partition is under way go together.

There is no timer: the first row is written at once, and whoever comes meanwhile waits for that write to end and then
goes with all others that wait, up to 100 in one transaction. A transaction is written whole or not at all, so where one
of its rows clashes each is written alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.storage.clients import Written

MOST_TOGETHER = 100
"""Operations of one transaction (Azure Table Storage, "Performing entity group transactions")."""

MOST_BYTES = 2 * 2**20
"""Of one transaction, well below the 4 MiB that it may have."""

K = TypeVar("K")
O = TypeVar("O")  # noqa: E741 (an operation)

_Entry = tuple[O, int, "asyncio.Future[Written | None]"]


class GroupCommit(Generic[K, O]):
    """Writes operations by partition: `one` writes a single one, `together` several, or raises `Clash`."""

    def __init__(
        self,
        one: Callable[[K, O], Awaitable[Written]],
        together: Callable[[K, Sequence[O]], Awaitable[bool]],
    ) -> None:
        self._one = one
        self._together = together
        self._waiting: dict[K, deque[_Entry[O]]] = {}
        """By partition of which a write is under way, those that came meanwhile."""

    async def write(self, partition: K, operation: O, size_bytes: int) -> Written:
        """Writes an operation, alone or with others; returns when it is stored. Raises what the write raises."""
        waiting = self._waiting.get(partition)
        if waiting is None:
            self._waiting[partition] = deque()
            return await self._lead(partition, [(operation, size_bytes, _future())])
        entry = (operation, size_bytes, _future())
        waiting.append(entry)
        done = await entry[2]
        if done is not None:
            return done
        return await self._lead(partition, [entry, *self._take(partition, MOST_TOGETHER - 1, MOST_BYTES - size_bytes)])

    async def _lead(self, partition: K, entries: list[_Entry[O]]) -> Written:
        """Writes for all of `entries`, of which the first is the caller's own, and hands the lead on."""
        try:
            together = len(entries) > 1 and await self._together(partition, [each[0] for each in entries])
            if not together:
                for operation, _, future in entries[1:]:
                    await self._write_for(partition, operation, future)
                return await self._one(partition, entries[0][0])
            for _, _, future in entries[1:]:
                _settle(future, Written.DONE)
            return Written.DONE
        except BaseException as error:
            for _, _, future in entries[1:]:
                if not future.done():
                    future.set_exception(error)
            raise
        finally:
            self._hand_on(partition)

    async def _write_for(self, partition: K, operation: O, future: "asyncio.Future[Written | None]") -> None:
        try:
            _settle(future, await self._one(partition, operation))
        except Exception as error:
            if not future.done():
                future.set_exception(error)

    def _hand_on(self, partition: K) -> None:
        """Makes the first of those that wait the next to write."""
        waiting = self._waiting[partition]
        while waiting:
            future = waiting.popleft()[2]
            if not future.done():
                future.set_result(None)
                return
        del self._waiting[partition]

    def _take(self, partition: K, most: int, most_bytes: int) -> list[_Entry[O]]:
        waiting = self._waiting[partition]
        taken: list[_Entry[O]] = []
        while waiting and len(taken) < most and waiting[0][1] <= most_bytes:
            entry = waiting.popleft()
            if not entry[2].done():
                most_bytes -= entry[1]
                taken.append(entry)
        return taken


def _future() -> "asyncio.Future[Written | None]":
    return asyncio.get_running_loop().create_future()


def _settle(future: "asyncio.Future[Written | None]", written: Written) -> None:
    if not future.done():
        future.set_result(written)
