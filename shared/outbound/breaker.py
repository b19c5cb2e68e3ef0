"""The breaker: an endpoint that fails delivery after delivery is asked only now and then. Per instance, in memory.

Times are seconds of a monotonic clock, which the caller passes in.
"""

import threading
import zlib
from dataclasses import dataclass, field
from datetime import timedelta

OPENS_AFTER = 5
"""Failures in a row, of as many distinct deliveries."""

PROBE_FACTORS = (1, 2, 4, 8, 15)
"""When the probes come, in multiples of BREAKER_PROBE_SECONDS; the last one repeats."""

PROBE_DEADLINE = timedelta(seconds=10)
"""For a probe; any other attempt has longer."""

_AFTER_A_PROBE_SECONDS = PROBE_DEADLINE.total_seconds() + 2
"""When the outcome of a probe is known, with the time that a queue takes."""

_SPREAD_SECONDS, _SPREAD_SHARE = 5.0, 0.1
"""Over how long those come back that wait for a probe: a while, or a share of the pause before it."""


@dataclass
class _Endpoint:
    """`opened` deliveries failed in a row; from `probe_at` on the next message is a probe."""

    failed: set[str] = field(default_factory=set)
    probe_at: float | None = None
    pause: float = 0.0
    failed_probes: int = 0
    prober: str = ""
    """The delivery that is to come back first."""
    probing: str = ""
    probing_until: float = 0.0


class Breaker:
    """What this instance has seen of each endpoint since its last success."""

    def __init__(self, probe_every: timedelta) -> None:
        self._probe_every_seconds = probe_every.total_seconds()
        self._endpoints: dict[str, _Endpoint] = {}
        self._lock = threading.Lock()

    def is_open(self, endpoint: str) -> bool:
        with self._lock:
            state = self._endpoints.get(endpoint)
            return state is not None and state.probe_at is not None

    def wait_seconds(self, endpoint: str, delivery: str, now: float) -> float:
        """For how long a delivery must wait; 0 where it may go ahead, as ever or as a probe. Of those that wait, one
        comes back when the probe is due and all others when its outcome is known."""
        with self._lock:
            state = self._endpoints.get(endpoint)
            if state is None or state.probe_at is None:
                return 0.0
            spread = _fraction(delivery) * max(_SPREAD_SECONDS, _SPREAD_SHARE * state.pause)
            if state.probing and now < state.probing_until:
                return state.probing_until - now + spread
            if now >= state.probe_at:
                return 0.0
            if state.prober in ("", delivery):
                state.prober = delivery
                return state.probe_at - now
            return state.probe_at - now + _AFTER_A_PROBE_SECONDS + spread

    def begin(self, endpoint: str, delivery: str, now: float) -> bool:
        """Takes note that an attempt begins; True where it is a probe."""
        with self._lock:
            state = self._endpoints.get(endpoint)
            if state is None or state.probe_at is None:
                return False
            state.probing, state.probing_until = delivery, now + _AFTER_A_PROBE_SECONDS
            return True

    def record(self, endpoint: str, delivery: str, succeeded: bool, now: float) -> bool:
        """Takes an attempt into account; True where it has just opened the breaker."""
        with self._lock:
            if succeeded:
                self._endpoints.pop(endpoint, None)
                return False
            state = self._endpoints.setdefault(endpoint, _Endpoint())
            if state.probe_at is None:
                state.failed.add(delivery)
                if len(state.failed) < OPENS_AFTER:
                    return False
                state.failed.clear()
                self._pause(state, now)
                return True
            if state.probing == delivery:
                state.failed_probes += 1
                self._pause(state, now)
            return False

    def _pause(self, state: _Endpoint, now: float) -> None:
        factor = PROBE_FACTORS[min(state.failed_probes, len(PROBE_FACTORS) - 1)]
        state.pause = self._probe_every_seconds * factor
        state.probe_at = now + state.pause
        state.prober = state.probing = ""


def _fraction(delivery: str) -> float:
    """A number from 0 to 1, always the same for a delivery, that spreads deliveries evenly."""
    return zlib.crc32(delivery.encode()) / 2**32
