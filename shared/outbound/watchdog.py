"""Ends what runs past its deadline."""

import heapq
import itertools
import threading
import time
from typing import Protocol


class Watched(Protocol):
    """`ends_at` is a time of `time.monotonic`; `over` is set by whoever finishes first."""

    ends_at: float
    over: bool

    def expire(self) -> None: ...


class Watchdog:
    """Expires what it is given at its deadline, in one thread."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Watched]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, item: Watched) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            heapq.heappush(self._waiting, (item.ends_at, next(self._numbers), item))
            if self._waiting[0][2] is item:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                item = self._waiting[0][2]
                left = item.ends_at - time.monotonic()
                if not item.over and left > 0:
                    self._changed.wait(left)
                    continue
                heapq.heappop(self._waiting)
            if not item.over:
                item.expire()
