"""Pacing: an endpoint that asks for less is sent less, and is not failing. Per instance, in memory.

An endpoint answers 429, or 503 with `Retry-After`, where it is sent too much. It is then left alone for as long as it
asks, and after that sent to at the pace at which it takes deliveries, one by one rather than in waves. A pace that an
endpoint was given when it was registered (`maxPerSecond`) is never exceeded.

Deliveries that must wait have places in a line, numbered as they come. The line moves on at the endpoint's pace whether
or not a place is used: a delivery that never comes back holds nobody up, and one that comes late goes next. One whose
place is far ahead comes back before, each time later than the time before, since the pace may have quickened meanwhile.

Times are seconds of a monotonic clock, which the caller passes in.
"""

import contextlib
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from shared.outbound.pace import NEAR_SECONDS, Pace

SHORTEST_HOLD = timedelta(seconds=1)
"""For an endpoint that does not say for how long."""

SOON_SECONDS = 3.0
"""A delivery whose time is so near waits in memory: a queue is not exact enough."""

MOST_IN_MEMORY = 64
"""Deliveries that wait in memory for their time; others go back to the queue however near that is."""

FIRST_RETURN_SECONDS = 60.0
"""A delivery comes back after at most so long; then after twice as long, and so on."""

LONGEST_LINE_SECONDS = 600.0
"""Those beyond have no place and ask again. Shorter than a delivery's time, else all places could be of such as were
given up meanwhile."""

_AFTER_HOLD_SECONDS = 60.0
"""For so long after a hold those wait that are not the first to be sent."""

_LAPSED_SECONDS = 60.0
"""A place is forgotten so long after its time."""


@dataclass
class _Place:
    number: float
    at: float | None = None
    """Its time, once that is near."""
    gap: float = 0.0
    """How long after the time before it."""


@dataclass
class _Endpoint:
    pace: Pace
    front_at: float
    front: float = 0.0
    """The number of the place whose time it was at `front_at`; the line moves on from there."""
    last: float = -1.0
    """The last place of the line."""
    held_until: float = -math.inf
    held_since: float = math.inf
    """When it asked to be held until then."""
    next_at: float = -math.inf
    """The first time that no delivery has: those that come late must not go together."""
    next_gap: float = 0.0
    """How long that is after the last time given; 0: none was given since the endpoint asked for less."""
    may_begin_at: float = -math.inf
    """The first moment at which the next attempt keeps its distance."""
    places: dict[str, _Place] = field(default_factory=dict)
    """By delivery, those in line, in the order of their numbers."""

    def move_on(self, now: float) -> None:
        """Moves the line on to where it is now, and forgets places whose time is long over."""
        gap, since = self.pace.gap, max(self.front_at, self.held_until)
        self.front_at = max(self.front_at, now)
        if gap == 0.0:
            self.front = max(self.front, self.last + 1)
            self.places.clear()
        elif now > since:
            self.front += (now - since) / gap
        while self.places:
            delivery, first = next(iter(self.places.items()))
            if (self.front - first.number) * gap <= _LAPSED_SECONDS:
                break
            del self.places[delivery]

    def give_time(self, place: _Place, at: float) -> float:
        """Gives a delivery its time, no sooner than `at`."""
        at = max(at, self.next_at)
        place.gap, self.next_gap = self.next_gap or self.pace.gap, self.pace.gap
        self.next_at = at + self.next_gap
        return at


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
        """For how long a delivery must wait; 0: now is its time, and its place is given up. Who is to wait for no more
        than SOON_SECONDS waits in memory and asks again. `deferrals` is how often the delivery was put back already."""
        if endpoint not in self._endpoints and max_per_second is None:
            return 0.0
        state = self._state(endpoint, now)
        state.pace.registered_gap = 1 / max_per_second if max_per_second else 0.0
        state.move_on(now)
        if state.pace.gap == 0.0:
            return 0.0
        place = state.places.get(delivery) or _Place(max(state.front, state.last + 1))
        held, ahead = max(state.held_until - now, 0.0), state.pace.seconds_of(place.number - state.front)
        if ahead <= LONGEST_LINE_SECONDS:
            state.places[delivery] = place
            state.last = max(state.last, place.number)
        if place.at is None:
            wait = held + ahead
            if wait > SOON_SECONDS:
                return min(wait, held + _return_seconds(delivery, deferrals))
            if wait > NEAR_SECONDS:
                return wait / 2 if self.waiting < MOST_IN_MEMORY else SOON_SECONDS + 2.0 ** min(deferrals - 2, 5)
            place.at = state.give_time(place, now + wait)
        if place.at > now:
            return place.at - now
        state.pace.sent_gap = place.gap
        del state.places[delivery]
        return 0.0

    def begin(self, endpoint: str, now: float) -> float:
        """Takes note that an attempt is about to be made; returns for how many seconds it is still to wait. That is 0
        unless it was held up after its time, so that it would follow too closely on another."""
        state = self._endpoints.get(endpoint)
        if state is None or state.pace.gap == 0.0:
            return 0.0
        at = max(now, state.may_begin_at)
        state.may_begin_at = at + state.pace.gap
        return at - now

    def taken(self, endpoint: str, now: float) -> None:
        """Takes into account that a delivery was taken."""
        state = self._state(endpoint, now)
        if now < state.held_until:
            state.pace.taken_at = now  # it was sent before the endpoint asked for less
            return
        state.move_on(now)
        state.pace.quicken(now)

    def refused(self, endpoint: str, retry_after: timedelta | None, now: float) -> None:
        """Takes into account that an endpoint asked for less."""
        state = self._state(endpoint, now)
        hold = max(retry_after or SHORTEST_HOLD, SHORTEST_HOLD).total_seconds()
        state.move_on(now)
        if now >= state.held_until:  # those sent before the hold say nothing of the pace after it
            state.pace.slacken(hold, now)
        if now + hold > state.held_until:
            state.held_since, state.held_until = now, now + hold
        state.pace.begin_anew(state.held_until)
        state.next_at, state.next_gap = state.held_until, 0.0
        for place in state.places.values():
            place.at = None

    def keeps_taking(self, endpoint: str, now: float, within: timedelta) -> bool:
        """Whether an endpoint took a delivery not long ago."""
        state = self._endpoints.get(endpoint)
        return state is not None and now - state.pace.taken_at <= within.total_seconds()

    def holds(self, endpoint: str, now: float, asked_before: float) -> bool:
        """Whether an endpoint is left alone, or was just now, as it asked before then."""
        state = self._endpoints.get(endpoint)
        return state is not None and state.held_since <= asked_before and now < state.held_until + _AFTER_HOLD_SECONDS

    def _state(self, endpoint: str, now: float) -> _Endpoint:
        state = self._endpoints.get(endpoint)
        if state is None:
            state = self._endpoints[endpoint] = _Endpoint(Pace(now), now)
        return state


def _return_seconds(delivery: str, deferrals: int) -> float:
    share = zlib.crc32(delivery.encode()) / 2**32
    return FIRST_RETURN_SECONDS * 2.0 ** min(deferrals, 10) * (0.5 + share / 2)
