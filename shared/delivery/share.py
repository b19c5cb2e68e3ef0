"""The share: how many of an instance's workers one endpoint may hold, so that a hung receiver stalls no other."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

WORKERS = 32
"""Messages that an instance handles at once: host.json's batchSize + newBatchThreshold."""

PATIENCE_SECONDS = 0.5
"""How long after the last place was given back a message still waits for one: receivers that answer give them back well
before that, and one that hangs costs others no more."""


class Share:
    """Places for each endpoint. A worker waits for one for a moment only while they are still being given back."""

    def __init__(self, places: int = WORKERS // 4, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._places = places
        self._patience = patience_seconds
        self._held: defaultdict[str, int] = defaultdict(int)
        self._given_back_at: dict[str, float] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def place(self, endpoint: str) -> Iterator[bool]:
        """Holds a place while the block runs; False where there was none."""
        taken = self._take(endpoint)
        try:
            yield taken
        finally:
            if taken:
                self._give_back(endpoint)

    def _take(self, endpoint: str) -> bool:
        with self._changed:
            if not self._changed.wait_for(lambda: self._held[endpoint] < self._places, self._worth_waiting(endpoint)):
                return False
            if self._held[endpoint] == 0:
                self._given_back_at[endpoint] = time.monotonic()
            self._held[endpoint] += 1
            return True

    def _worth_waiting(self, endpoint: str) -> float:
        """Nothing where no place has been given back for a while: then the endpoint hangs."""
        since = time.monotonic() - self._given_back_at.get(endpoint, 0.0)
        return max(0.0, self._patience - since)

    def _give_back(self, endpoint: str) -> None:
        with self._changed:
            self._held[endpoint] -= 1
            self._given_back_at[endpoint] = time.monotonic()
            if self._held[endpoint] == 0:
                del self._held[endpoint], self._given_back_at[endpoint]
            self._changed.notify_all()
