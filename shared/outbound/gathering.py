"""Who waits to reach one endpoint, so that the first whose turn comes takes the others along in one request.

Nobody waits here in order to be taken along: each waits for its own turn, by the rules of pacing and the bulkhead, and
may be taken along meanwhile. So there is no leader whose failure could strand the others, and no bound on what waits
but those that hold for everybody. Per instance, in memory, on the loop that dispatches.
"""

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

APART_SECONDS = 60.0
"""For how long after a receiver refused what several sent together each goes by itself: long enough for those that were
in it to go."""

T = TypeVar("T")
R = TypeVar("R")


def _future() -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Waiter(Generic[T, R]):
    """One that waits for its turn."""

    item: T
    taken: "asyncio.Future[None]" = field(default_factory=_future)
    """Done once another takes it along."""
    outcome: "asyncio.Future[R]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """What came of it, where it was taken along."""
    gone: bool = False
    """Its own turn has come: nobody takes it along any more."""

    async def sleep(self, seconds: float) -> None:
        """Until so much time has passed, or another takes it along."""
        await asyncio.wait([self.taken], timeout=seconds)

    def settle(self, outcome: R) -> None:
        if not self.outcome.done():  # else its invocation was cut off
            self.outcome.set_result(outcome)

    def fail(self, error: Exception) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)


class Gathering(Generic[T, R]):
    """All that wait, by what they have in common. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._waiters: dict[Hashable, list[Waiter[T, R]]] = {}
        self._apart_until: dict[Hashable, float] = {}

    @contextlib.contextmanager
    def waiter(self, key: Hashable, item: T) -> Iterator[Waiter[T, R]]:
        """One that may be taken along while the block runs, or until its own turn comes."""
        waiter: Waiter[T, R] = Waiter(item)
        self._waiters.setdefault(key, []).append(waiter)
        try:
            yield waiter
        finally:
            waiters = self._waiters[key]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]

    def take(self, key: Hashable, order: Callable[[T], Any], wanted: Callable[[T], bool]) -> Sequence[Waiter[T, R]]:
        """Takes along those that wait and are wanted, which is asked of each in this order."""
        waiting = (each for each in self._waiters.get(key, ()) if not each.gone and not each.taken.done())
        found = [each for each in sorted(waiting, key=lambda each: order(each.item)) if wanted(each.item)]
        for each in found:
            each.taken.set_result(None)
        return found

    def keep_apart(self, key: Hashable, now: float) -> None:
        """From now on each goes by itself, for a while."""
        self._apart_until = {known: until for known, until in self._apart_until.items() if until > now}
        self._apart_until[key] = now + APART_SECONDS

    def are_apart(self, key: Hashable, now: float) -> bool:
        return self._apart_until.get(key, now) > now
