"""The share: how many of an instance's workers one endpoint may hold, so that hung receivers stall no other."""

import contextlib
import threading
import time
from collections.abc import Iterator

PLACES = 16
"""What endpoints divide among them: host.json's newBatchThreshold. With more messages in hand the host receives no
others, so that as many hung attempts would stall every endpoint until they time out."""

PATIENCE_SECONDS = 0.5
"""How long after an endpoint gave its last place back a message for it still waits for one: receivers that answer give
them back well before that, and one that hangs costs others no more."""


class Share:
    """Each endpoint may always use one slot. It may use more while it uses fewer than are free: one that hangs holds 8,
    two hold 5 or 6 each, four 3 or 4. A worker waits for one only while its endpoint is still giving places back."""

    def __init__(self, places: int = PLACES, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._free = places
        """Less than none where many endpoints hold their first."""
        self._patience = patience_seconds
        self._held: dict[str, int] = {}
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
            if not self._changed.wait_for(lambda: self._has_place(endpoint), self._worth_waiting(endpoint)):
                return False
            self._free -= 1
            self._held[endpoint] = self._held.get(endpoint, 0) + 1
            self._given_back_at.setdefault(endpoint, time.monotonic())
            return True

    def _has_place(self, endpoint: str) -> bool:
        held = self._held.get(endpoint, 0)
        return held == 0 or held < self._free

    def _worth_waiting(self, endpoint: str) -> float:
        """Nothing where the endpoint has given no place back for a while: then it hangs."""
        now = time.monotonic()
        return max(0.0, self._patience - (now - self._given_back_at.get(endpoint, now)))

    def _give_back(self, endpoint: str) -> None:
        with self._changed:
            self._free += 1
            self._held[endpoint] -= 1
            self._given_back_at[endpoint] = time.monotonic()
            if self._held[endpoint] == 0:
                del self._held[endpoint], self._given_back_at[endpoint]
            self._changed.notify_all()
