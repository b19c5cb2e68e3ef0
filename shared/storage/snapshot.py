"""A value from storage that a process may use for some seconds before it reads it again."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, cast

from shared.storage.clients import StorageUnavailable

CACHE_SECONDS = 4.0
"""How long a process may act on what it read: changes take effect everywhere within 5 s."""

FAILURE_SECONDS = 1.0
"""After a failed read nobody asks again for so long: waiting workers must not queue up to fail one by one."""

T = TypeVar("T")


class Snapshot(Generic[T]):
    """Reads through `read`, one caller at a time."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._value: T | None = None
        self._read_at = self._failed_at = float("-inf")
        self._reading: dict[asyncio.AbstractEventLoop, asyncio.Future[Any]] = {}
        """By the loop that waits for it."""

    def get(self) -> T:
        """Raises StorageUnavailable, at once where somebody else has just failed."""
        with self._lock:
            asked_at = time.monotonic()
            if self._value is not None and asked_at - self._read_at <= CACHE_SECONDS:
                return self._value
            if asked_at - self._failed_at < FAILURE_SECONDS:
                raise StorageUnavailable("reading it failed a moment ago")
            try:
                self._value = self._read()
            except StorageUnavailable:
                self._failed_at = time.monotonic()
                raise
            self._read_at = asked_at
            return self._value

    def _at_hand(self) -> T | None:
        """The value, as long as it may be used; None where it is time to read it again."""
        value = self._value
        return value if time.monotonic() - self._read_at <= CACHE_SECONDS else None

    async def get_on_loop(self, in_thread: Callable[..., Awaitable[Any]]) -> T:
        """As `get`, without keeping the loop: one thread reads, and all others on the loop wait for it."""
        value = self._at_hand()
        if value is not None:
            return value
        reading = self._reading.get(asyncio.get_running_loop())
        if reading is None:
            reading = asyncio.ensure_future(in_thread(self.get))
            self._reading[reading.get_loop()] = reading
            reading.add_done_callback(self._read_ended)
        return cast(T, await asyncio.shield(reading))

    def _read_ended(self, reading: "asyncio.Future[Any]") -> None:
        del self._reading[reading.get_loop()]
        if not reading.cancelled():
            reading.exception()  # nobody may be left to take it

    def change(self, change: Callable[[T], T]) -> None:
        """Has a write of this process seen by it at once, without another read; what others wrote is as old as it
        was."""
        with self._lock:
            if self._value is not None:
                self._value = change(self._value)

    def forget(self) -> None:
        """Makes the next read ask storage: a write through this process is seen by it at once."""
        with self._lock:
            self._read_at = float("-inf")
