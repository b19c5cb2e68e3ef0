"""Copies of a message, as far as this instance knows of them. Per instance, in memory.

A crash after a message was put, and before the one that it follows was deleted, leaves a copy of it. Copies find each
other out at the delivery's row, but two that are in flight at once would both POST, and two that are put back would
both be put back, each to be doubled by the next crash.
"""

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.storage.messages import Message, encode
from shared.storage.queues import Queue

_MOST_REMEMBERED = 10_000
"""Forgetting one costs a copy, never a message."""

_Attempt = tuple[str, int, int, bool, int, datetime, str]


@dataclass(frozen=True)
class _Hidden:
    """A message that this instance has put. The clock may jump and a paused machine stops the monotonic one: it is
    hidden while neither says that its time is over."""

    due_at: datetime
    put_at: datetime
    put_at_seconds: float
    delay: timedelta
    redelivered: bool

    def is_hidden(self, now: datetime) -> bool:
        elapsed = timedelta(seconds=time.monotonic() - self.put_at_seconds)
        return timedelta() <= now - self.put_at < self.delay and elapsed < self.delay


class Copies:
    """The deliveries whose messages this instance has in hand, and the messages it put that nobody can have yet."""

    def __init__(self) -> None:
        self._in_hand: set[str] = set()
        self._put: OrderedDict[_Attempt, _Hidden] = OrderedDict()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def in_hand(self, message: Message) -> Iterator[bool]:
        """Holds the message's delivery while the block runs; False where another worker holds it."""
        attempt = _attempt(message)
        with self._lock:
            alone = message.delivery not in self._in_hand
            self._in_hand.add(message.delivery)
            known = self._put.get(attempt)
            if known is not None and known.due_at == message.due_at:
                del self._put[attempt]  # this is the one
        try:
            yield alone
        finally:
            if alone:
                with self._lock:
                    self._in_hand.discard(message.delivery)

    def put(self, queue: Queue, message: Message, delay: timedelta, now: datetime) -> None:
        """Puts a message, unless one that does the same was put and is still hidden: that one is whole, and will be
        handled. One that came back can stand for any (it does what a crash may have left undone), others not for it."""
        attempt = _attempt(message)
        with self._lock:
            known = self._put.get(attempt)
        if known is not None and known.is_hidden(now) and known.redelivered >= message.redelivered:
            return
        hidden = _Hidden(message.due_at, now, time.monotonic(), delay, message.redelivered)
        queue.put(encode(message), delay)
        with self._lock:
            self._put[attempt] = hidden
            self._put.move_to_end(attempt)
            if len(self._put) > _MOST_REMEMBERED:
                self._put.popitem(last=False)


def _attempt(message: Message) -> _Attempt:
    return (
        message.delivery,
        message.attempt,
        message.schedule_start,
        message.asked,
        message.generation,
        message.deadline_at,
        message.made.token if message.made else "",
    )
