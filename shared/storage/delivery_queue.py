"""The queue `deliveries`, typed, and what this instance knows of the messages that it has put and has in hand.

A crash after a message was put, and before the one that it follows was deleted, leaves a copy of it. Copies find each
other out at the delivery's row, but two that are in flight at once would both POST, and two that are put back would
both be put back, each to be doubled by the next crash.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from shared.storage.messages import Message, encode
from shared.storage.queues import Queue

PUTS_AT_ONCE = 64

_MOST_REMEMBERED = 10_000
"""Forgetting one costs a copy, never a message."""

Several = Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]]
"""Calls a function with each of several values, as `map` does, perhaps at once."""

V = TypeVar("V")

_Attempt = tuple[str, int, int, bool, int, datetime, str]


class LoopSender(Protocol):
    """Puts a text on a queue by its name, from the event loop."""

    async def put(self, queue: str, text: str, delay: timedelta = ...) -> None: ...


@dataclass(frozen=True)
class _Hidden:
    """A message that this instance has put. The clock may jump and a paused machine stops the monotonic one: it is
    hidden while neither says that its time is over."""

    due_at: datetime
    put_at: datetime
    put_at_seconds: float
    delay: timedelta
    redelivered: bool

    def is_hidden(self, now: datetime, seconds: float) -> bool:
        elapsed = timedelta(seconds=seconds - self.put_at_seconds)
        return timedelta() <= now - self.put_at < self.delay and elapsed < self.delay


class DeliveryQueue:
    """Puts messages; and, on the loop that dispatches, never has two of the same in flight. `seconds` is a monotonic
    clock; `several` runs several puts, by default in threads."""

    def __init__(
        self,
        raw: Queue,
        loop_sender: LoopSender,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
        several: Several | None = None,
    ) -> None:
        self.raw = raw
        self._loop_sender = loop_sender
        self._now = now
        self._seconds = seconds
        self._several = several
        self._claimed: set[str] = set()
        self._put: OrderedDict[_Attempt, _Hidden] = OrderedDict()

    def put_many(self, messages: Sequence[Message], delay: timedelta = timedelta()) -> None:
        """From a thread: puts messages, several at a time. Raises StorageUnavailable where one of them failed."""
        texts = [encode(message) for message in messages]
        self.with_each(lambda text: self.raw.put(text, delay), texts)

    def with_each(self, put: Callable[[V], None], values: Sequence[V]) -> None:
        """From a thread: calls a function that puts, with several values at a time. Raises what one of the calls
        raised."""
        if len(values) <= 1:
            for value in values:
                put(value)
            return
        if self._several is None:
            self._several = ThreadPoolExecutor(max_workers=PUTS_AT_ONCE, thread_name_prefix="publish").map
        for _ in self._several(put, values):
            pass  # draws each result, so that a failure is raised here

    @contextlib.contextmanager
    def claim(self, message: Message) -> Iterator[bool]:
        """Holds the message's delivery while the block runs; False where another invocation holds it."""
        attempt = _attempt(message)
        alone = message.delivery not in self._claimed
        self._claimed.add(message.delivery)
        known = self._put.get(attempt)
        if known is not None and known.due_at == message.due_at:
            del self._put[attempt]  # this is the one
        try:
            yield alone
        finally:
            if alone:
                self._claimed.discard(message.delivery)

    async def put(self, message: Message, delay: timedelta = timedelta()) -> None:
        """From the loop: puts a message, unless one that does the same was put and is still hidden: that one is whole,
        and will be handled. A redelivered message may replace a fresh one, since it also finishes what a crash
        interrupted; the reverse does not hold. Raises StorageUnavailable."""
        attempt, now, seconds = _attempt(message), self._now(), self._seconds()
        known = self._put.get(attempt)
        if known is not None and known.is_hidden(now, seconds) and known.redelivered >= message.redelivered:
            return
        await self._loop_sender.put(self.raw.name, encode(message), delay)
        self._put[attempt] = _Hidden(message.due_at, now, seconds, delay, message.redelivered)
        self._put.move_to_end(attempt)
        if len(self._put) > _MOST_REMEMBERED:
            self._put.popitem(last=False)


def _attempt(message: Message) -> _Attempt:
    return (
        message.delivery,
        message.attempt,
        message.schedule_start,
        message.manual,
        message.generation,
        message.deadline_at,
        message.result.token if message.result else "",
    )
