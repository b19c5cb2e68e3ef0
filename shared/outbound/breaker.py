"""The breaker: an endpoint that fails delivery after delivery is asked only now and then. Per instance, in memory."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

OPENS_AFTER = 5
"""Failures in a row, of as many distinct deliveries."""

PROBE_EVERY = timedelta(seconds=60)
"""The default of BREAKER_PROBE_SECONDS."""

GRACE = timedelta(minutes=15)
"""The default of BREAKER_GRACE_SECONDS: how long after the end of its schedule a delivery that is held is given up."""


@dataclass
class _Endpoint:
    failed: set[str] = field(default_factory=set)
    probe_at: datetime | None = None


class Breaker:
    """What this instance has seen of each endpoint since its last success."""

    def __init__(self, probe_every: timedelta = PROBE_EVERY) -> None:
        self._probe_every = probe_every
        self._endpoints: dict[str, _Endpoint] = {}
        self._lock = threading.Lock()

    def hold(self, endpoint: str, now: datetime) -> timedelta | None:
        """How long a message must wait for this endpoint; None: go ahead, as ever or as the one probe of the minute."""
        with self._lock:
            state = self._endpoints.get(endpoint)
            if state is None or state.probe_at is None:
                return None
            if now < state.probe_at < now + 2 * self._probe_every:  # later than that, the clock has been set back
                return state.probe_at - now
            state.probe_at = now + self._probe_every
            return None

    def note(self, endpoint: str, delivery: str, succeeded: bool, now: datetime) -> bool:
        """Takes an attempt into account; True where it has just opened the breaker."""
        with self._lock:
            if succeeded:
                self._endpoints.pop(endpoint, None)
                return False
            state = self._endpoints.setdefault(endpoint, _Endpoint())
            if state.probe_at is not None:
                return False
            state.failed.add(delivery)
            if len(state.failed) < OPENS_AFTER:
                return False
            state.failed.clear()
            state.probe_at = now + self._probe_every
            return True
