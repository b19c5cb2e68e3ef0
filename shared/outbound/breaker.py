"""The breaker: an endpoint that fails delivery after delivery is asked only now and then. Per instance, in memory.

While the breaker of an endpoint is open, one delivery at a time probes it. All others are put back, and come back when
the outcome of the next probe is known. So a message is put back about once a probe.

Times are seconds of a monotonic clock, which the caller passes in.
"""

import threading
from dataclasses import dataclass, field
from datetime import timedelta

OPENS_AFTER = 5
"""Failures in a row, of as many distinct deliveries."""

PROBE_FACTORS = (1, 2, 4, 8, 15)
"""When the probes come, in multiples of BREAKER_PROBE_SECONDS; the last one repeats."""

PROBE_DEADLINE = timedelta(seconds=10)
"""For the first probe, and for any attempt beside probes while the breaker is open; any other has longer."""

LATER_PROBE_DEADLINE = timedelta(seconds=30)
"""As long as any attempt: else an endpoint that needs more than PROBE_DEADLINE would never be well again."""

OUTCOME_SECONDS = 2.0
"""Nobody else probes until so long after a probe's deadline: by then its outcome is known."""

RETURNS_A_SECOND = 20.0
"""How many come back that wait for a probe: else all that a busy endpoint holds would come between those of others."""

SHORTEST_SPREAD_SECONDS = 5.0
"""However many they are, they come back within this, or within as long as the pause before the probe: so hardly faster
than they came."""


@dataclass
class _Endpoint:
    """An endpoint that has failed since its last success. Its breaker is open where `probe_at` is given."""

    failed: set[str] = field(default_factory=set)
    """While closed, the deliveries that failed."""
    probe_at: float | None = None
    """From then on the next message is a probe."""
    pause: float = 0.0
    """How long before `probe_at` the breaker opened, or the last probe failed."""
    failed_probes: int = 0
    waiting: int = 0
    """Deliveries that were put back since the pause began, or since the probe did."""
    prober: str = ""
    """The delivery that probes, or is to come back first and do so."""
    probing_until: float | None = None
    """Given from when the prober is allowed to go ahead: until then no other probes."""

    @property
    def probe_deadline(self) -> timedelta:
        return LATER_PROBE_DEADLINE if self.failed_probes else PROBE_DEADLINE

    @property
    def probe_seconds(self) -> float:
        """When the outcome of a probe is known, counted from when it was allowed."""
        return self.probe_deadline.total_seconds() + OUTCOME_SECONDS


class Breaker:
    """What this instance has seen of each endpoint since its last success. Usable from several threads."""

    def __init__(self, probe_every: timedelta) -> None:
        self._probe_every_seconds = probe_every.total_seconds()
        self._endpoints: dict[str, _Endpoint] = {}
        self._lock = threading.Lock()

    def is_open(self, endpoint: str) -> bool:
        with self._lock:
            return self._open(endpoint) is not None

    def wait_seconds(self, endpoint: str, delivery: str, now: float) -> float:
        """For how long a delivery must wait; 0 where it may go ahead, as ever or as the probe. Until the probe's
        outcome is known no other may go ahead. Of those that wait, one comes back when the probe is due and all others
        one after the other once its outcome is known."""
        with self._lock:
            state = self._open(endpoint)
            if state is None or state.probe_at is None:
                return 0.0
            if state.probing_until is not None and now < state.probing_until:
                return 0.0 if delivery == state.prober else state.probing_until - now + _spread(state)
            if now >= state.probe_at:
                state.prober, state.probing_until, state.waiting = delivery, now + state.probe_seconds, 0
                return 0.0
            if state.prober in ("", delivery):
                state.prober = delivery
                return state.probe_at - now
            return state.probe_at - now + state.probe_seconds + _spread(state)

    def begin(self, endpoint: str, delivery: str, now: float) -> timedelta | None:
        """Takes note that an attempt begins, and returns its deadline where that is not the usual one, since the
        breaker is open: the attempt is the probe, or the only one of a delivery whose time is over."""
        with self._lock:
            state = self._open(endpoint)
            if state is None:
                return None
            if state.probing_until is None or delivery != state.prober:
                return PROBE_DEADLINE
            state.probing_until = now + state.probe_seconds
            return state.probe_deadline

    def record(self, endpoint: str, delivery: str, succeeded: bool, now: float) -> bool:
        """Takes the outcome of an attempt into account; True where it has just opened the breaker. Any success closes
        it. While it is open a failure counts only where it is the probe's: others began before, or were not asked
        for."""
        with self._lock:
            if succeeded:
                self._endpoints.pop(endpoint, None)
                return False
            state = self._endpoints.setdefault(endpoint, _Endpoint())
            if state.probe_at is not None:
                if state.probing_until is not None and delivery == state.prober:
                    state.failed_probes += 1
                    self._pause(state, now)
                return False
            state.failed.add(delivery)
            if len(state.failed) < OPENS_AFTER:
                return False
            state.failed.clear()
            self._pause(state, now)
            return True

    def _open(self, endpoint: str) -> _Endpoint | None:
        state = self._endpoints.get(endpoint)
        return None if state is None or state.probe_at is None else state

    def _pause(self, state: _Endpoint, now: float) -> None:
        factor = PROBE_FACTORS[min(state.failed_probes, len(PROBE_FACTORS) - 1)]
        state.pause = self._probe_every_seconds * factor
        state.probe_at = now + state.pause
        state.prober, state.probing_until, state.waiting = "", None, 0


def _spread(state: _Endpoint) -> float:
    """Seconds by which the next delivery that is put back comes later than the first: in the order in which they came,
    and from the beginning again where there are too many for that."""
    later = state.waiting / RETURNS_A_SECOND
    state.waiting += 1
    return later % max(SHORTEST_SPREAD_SECONDS, state.pause)
