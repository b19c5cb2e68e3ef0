"""Pacing: an endpoint that asks for less is sent less, and is not failing. Per instance, in memory.

An endpoint answers 429, or 503 with `Retry-After`, where it is sent too much. It is then left alone for as long as it
asks, and after that sent to at the pace at which it last took deliveries, one by one rather than in waves. The pace
quickens while all are taken, carefully near the one that was refused last, and slackens when one is refused. A pace
that an endpoint was given when it was registered (`maxPerSecond`) is never exceeded.

Times are seconds of a monotonic clock, which the caller passes in.
"""

import contextlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

SHORTEST_HOLD = timedelta(seconds=1)
"""For an endpoint that does not say for how long."""

LONGEST_GAP_SECONDS = 2.0
"""Between deliveries; an endpoint that takes even fewer says so by its `Retry-After`."""

SOON_SECONDS = 3.0
"""A delivery whose time is so near waits in memory: a queue is not exact enough."""

HORIZON_SECONDS = 60.0
"""How far ahead a delivery is given a time of its own. Those beyond come back and ask again, each later than before."""

_FREE_GAP_SECONDS = 0.005
"""An endpoint that takes deliveries faster than this is not paced any more."""
_QUICKEN, _SLACKEN, _NEAR_THE_LIMIT = 0.93, 1.1, 1.03
_TAKEN_AT_A_NEW_PACE = 20
"""After so many in a row the pace that was refused is forgotten, bit by bit."""


@dataclass
class _Endpoint:
    gap: float = 0.0
    """Seconds between deliveries; 0: not paced."""
    refused_gap: float = 0.0
    """The gap at which the last one was refused."""
    held_until: float = 0.0
    resumed_at: float = 0.0
    taken: int = 0
    """Since `resumed_at`."""
    last_taken_at: float | None = None
    next_at: float = 0.0
    """The first time that no delivery has been given yet."""
    sent_at: float = 0.0
    """When the newest one goes that is about to: those that come late must not go together."""
    times: dict[str, float] = field(default_factory=dict)
    """By delivery, the times given and not used yet."""
    due: set[str] = field(default_factory=set)
    """Of these the deliveries that wait in memory for their time."""


class Pacing:
    """What this instance knows of how much each endpoint takes."""

    def __init__(self) -> None:
        self._endpoints: dict[str, _Endpoint] = {}
        self.waiting = 0
        """How many deliveries wait in memory for their time."""

    @contextlib.contextmanager
    def in_memory(self) -> Iterator[None]:
        """Counts a delivery that waits in memory while the block runs."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def wait_seconds(
        self, endpoint: str, delivery: str, now: float, max_per_second: float | None = None, deferrals: int = 0
    ) -> float:
        """For how long a delivery must wait; 0: now is its time. Who is to wait for no more than SOON_SECONDS waits in
        memory and asks again. `deferrals` is how often the delivery was put back already."""
        state = self._endpoints.get(endpoint)
        if state is None:
            if max_per_second is None:
                return 0.0
            state = self._endpoints[endpoint] = _Endpoint(resumed_at=now)
        gap = max(state.gap, 1 / max_per_second if max_per_second else 0.0)
        if gap == 0.0 and now >= state.held_until:
            return 0.0
        at = state.times.get(delivery)
        if at is None or at < state.held_until:
            state.due.discard(delivery)
            at = max(now, state.held_until, state.next_at)
            beyond = at - max(now, state.held_until)
            if beyond > HORIZON_SECONDS:
                state.times.pop(delivery, None)
                longest = min(beyond, HORIZON_SECONDS * 2.0 ** min(deferrals, 10))
                return at - beyond - now + longest * (0.5 + _fraction(delivery) / 2)
            state.next_at = at + gap
            state.times[delivery] = at
        if at - now <= SOON_SECONDS and delivery not in state.due:
            at = state.times[delivery] = state.sent_at = max(at, now, state.sent_at + gap)
            state.due.add(delivery)
        if at > now:
            return at - now
        del state.times[delivery]
        state.due.discard(delivery)
        return 0.0

    def taken(self, endpoint: str, now: float) -> None:
        """Takes into account that a delivery was taken."""
        state = self._endpoints.get(endpoint)
        if state is None:
            state = self._endpoints[endpoint] = _Endpoint(resumed_at=now)
        state.taken += 1
        state.last_taken_at = now
        if state.gap == 0.0:
            return
        if state.taken % _TAKEN_AT_A_NEW_PACE == 0:
            state.refused_gap *= _QUICKEN**4
        state.gap = min(state.gap, max(state.gap * _QUICKEN, state.refused_gap * _NEAR_THE_LIMIT))
        if state.gap < _FREE_GAP_SECONDS:
            state.gap = state.refused_gap = 0.0
            state.times.clear()
            state.due.clear()

    def refused(self, endpoint: str, retry_after: timedelta | None, now: float) -> float:
        """Takes into account that an endpoint asked for less; returns for how many seconds it is left alone."""
        state = self._endpoints.setdefault(endpoint, _Endpoint(resumed_at=now))
        hold = max(retry_after or SHORTEST_HOLD, SHORTEST_HOLD).total_seconds()
        if now + hold <= state.held_until:
            return state.held_until - now
        if now >= state.held_until:  # those sent before the hold say nothing of the pace after it
            measured = (now - state.resumed_at + hold) / max(state.taken, 1)
            state.refused_gap = state.gap
            state.gap = min(state.gap * _SLACKEN or measured, LONGEST_GAP_SECONDS)
        state.held_until = max(state.held_until, now + hold)
        state.resumed_at, state.taken = state.held_until, 0
        state.next_at = max(state.held_until, min(state.next_at, state.held_until + HORIZON_SECONDS))
        return state.held_until - now

    def keeps_taking(self, endpoint: str, now: float, within: timedelta) -> bool:
        """Whether an endpoint took a delivery not long ago."""
        state = self._endpoints.get(endpoint)
        taken_at = None if state is None else state.last_taken_at
        return taken_at is not None and now - taken_at <= within.total_seconds()


def _fraction(delivery: str) -> float:
    return zlib.crc32(delivery.encode()) / 2**32
