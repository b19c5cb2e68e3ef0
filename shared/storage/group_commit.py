"""Group commit: rows of one partition that are ready while a write of that partition is under way go together.

There is no timer: the first row is written at once, and those that come meanwhile wait for that write to end and then
go together, up to 100 in one transaction. A transaction is written whole or not at all, so where one of its rows
clashes each is written alone.

A task of its own writes for a partition for as long as anybody waits there. So whoever waits may be cut off at any
moment: a row that is being written is written all the same, one that is not is left out, and nobody else is affected.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.storage.clients import StorageUnavailable, Written

MOST_TOGETHER = 100
"""Operations of one transaction (Azure Table Storage, "Performing entity group transactions")."""

MOST_BYTES = 2 * 2**20
"""Of one transaction, well below the 4 MiB that it may have."""

K = TypeVar("K")
O = TypeVar("O")  # noqa: E741 (an operation)


@dataclass(frozen=True, eq=False)
class _Entry(Generic[O]):
    operation: O
    size_bytes: int
    outcome: "asyncio.Future[Written]"


class GroupCommit(Generic[K, O]):
    """Writes operations by partition: `one` writes a single one; `together` writes several or, where they cannot be
    written together, none and returns False. `row` names what an operation writes: two of one row never go together,
    since Azure refuses the whole transaction then. Belongs to the loop on which it is used."""

    def __init__(
        self,
        one: Callable[[K, O], Awaitable[Written]],
        together: Callable[[K, Sequence[O]], Awaitable[bool]],
        row: Callable[[O], Hashable] = id,
    ) -> None:
        self._one = one
        self._together = together
        self._row = row
        self._waiting: dict[K, deque[_Entry[O]]] = {}
        """By partition that has a writer, what is to be written next."""
        self._writers: set[asyncio.Task[None]] = set()

    async def write(self, partition: K, operation: O, size_bytes: int) -> Written:
        """Writes an operation, alone or with others; returns when it is stored. Raises what the write raises: then it
        may or may not be stored."""
        entry = _Entry(operation, size_bytes, asyncio.get_running_loop().create_future())
        if partition in self._waiting:
            self._waiting[partition].append(entry)
        else:
            self._waiting[partition] = deque([entry])
            writer = asyncio.create_task(self._write_all(partition))
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await entry.outcome

    async def _write_all(self, partition: K) -> None:
        waiting = self._waiting[partition]
        try:
            while entries := self._next_group(waiting):
                await self._write_group(partition, entries)
        finally:
            del self._waiting[partition]
            _fail(waiting, StorageUnavailable("the process is ending; the row was not written"))

    def _next_group(self, waiting: deque[_Entry[O]]) -> list[_Entry[O]]:
        """Takes the first that wait, as many as may go together; passes over those whose caller was cut off."""
        group: list[_Entry[O]] = []
        size_bytes, rows = 0, set[Hashable]()
        while waiting and len(group) < MOST_TOGETHER:
            entry = waiting[0]
            if entry.outcome.done():
                waiting.popleft()
                continue
            size_bytes += entry.size_bytes
            if group and (size_bytes > MOST_BYTES or self._row(entry.operation) in rows):
                break
            rows.add(self._row(entry.operation))
            group.append(waiting.popleft())
        return group

    async def _write_group(self, partition: K, entries: Sequence[_Entry[O]]) -> None:
        """Writes some operations and tells each its outcome."""
        try:
            if len(entries) > 1 and await self._together(partition, [entry.operation for entry in entries]):
                for entry in entries:
                    _settle(entry, Written.DONE)
            else:
                await asyncio.gather(*(self._write_one(partition, entry) for entry in entries))
        except Exception as error:
            _fail(entries, error)
        finally:
            _fail(entries, StorageUnavailable("the write was cut off; the row may or may not be there"))

    async def _write_one(self, partition: K, entry: _Entry[O]) -> None:
        try:
            _settle(entry, await self._one(partition, entry.operation))
        except Exception as error:
            _fail([entry], error)


def _settle(entry: _Entry[O], written: Written) -> None:
    if not entry.outcome.done():
        entry.outcome.set_result(written)


def _fail(entries: "Sequence[_Entry[O]] | deque[_Entry[O]]", error: Exception) -> None:
    for entry in entries:
        if not entry.outcome.done():
            entry.outcome.set_exception(error)
