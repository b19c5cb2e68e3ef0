"""A value from storage that a process may use for some seconds before it reads it again."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

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

    def forget(self) -> None:
        """Makes the next read ask storage: a write through this process is seen by it at once."""
        with self._lock:
            self._read_at = float("-inf")
