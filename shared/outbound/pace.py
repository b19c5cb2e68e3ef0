"""The pace of an endpoint that asks for less: the gap between deliveries, found by what it takes and what it refuses.

A pace is first measured by what the endpoint took before it refused. Then it quickens with each delivery that is taken,
to just short of where one was refused last; after a while there it is tried a little beyond, and more and more boldly;
and when a delivery is refused, it slackens.
"""

import math
from dataclasses import dataclass

FREE_GAP_SECONDS = 0.005
"""An endpoint that takes them faster is not paced any more."""

NEAR_SECONDS = 0.25
"""A delivery's time is given for good so long before: until then it follows the pace."""

_LONGEST_GAP_SECONDS = 1.5
"""Between deliveries. An endpoint that takes even fewer says so by its `Retry-After`."""

_LONG_HOLD_SECONDS, _LONGEST_GAP_AFTER_IT_SECONDS = 5.0, 0.5
"""After a long hold what an endpoint took before says little, and another refusal costs little."""

_LONGEST_SAID_GAP_SECONDS = 30.0
"""Where an endpoint takes one each time and then asks for as long a hold."""

_QUICKEN, _SLACKEN, _NEAR_THE_LIMIT = 0.15, 1.1, 1.03
_TAKEN_NEAR_THE_LIMIT = 20
"""After so many in a row the endpoint is sent more than it refused."""

_BOLDER = 0.01
"""By so much more with each delivery that is taken then."""

_MEASURED_SECONDS = 10.0
"""Where nothing was taken for so long, what was taken before says nothing of the pace."""


@dataclass
class Pace:
    measured_from: float
    taken: int = 0
    """Deliveries since `measured_from`."""
    taken_at: float = -math.inf
    found_gap: float = 0.0
    """Seconds between deliveries, as found; 0: as many as there are."""
    registered_gap: float = 0.0
    """The same by `maxPerSecond`."""
    sent_gap: float = 0.0
    """The gap at which the newest delivery was sent; the one found may be ahead of what was tried."""
    refused_gap: float = 0.0
    """The gap at which a delivery was refused last."""

    @property
    def gap(self) -> float:
        return max(self.found_gap, self.registered_gap)

    def quicken(self, now: float) -> None:
        """A delivery was taken."""
        if self.found_gap == 0.0 and now - self.taken_at > _MEASURED_SECONDS:
            self.measured_from, self.taken = now, 0
        self.taken += 1
        self.taken_at = now
        self.found_gap = min(self.found_gap, self._quickened())
        if self.found_gap < FREE_GAP_SECONDS:
            self.found_gap = self.refused_gap = self.sent_gap = 0.0

    def slacken(self, hold: float, now: float) -> None:
        """A delivery was refused, and the endpoint is to be left alone for `hold` seconds."""
        longest = _LONGEST_GAP_SECONDS if hold < _LONG_HOLD_SECONDS else _LONGEST_GAP_AFTER_IT_SECONDS
        gap = self.sent_gap * _SLACKEN
        self.refused_gap = self.sent_gap
        if gap == 0.0:
            gap = (now - self.measured_from + hold) / max(self.taken, 1)
        elif gap > longest and self.taken == 1:
            longest = _LONGEST_SAID_GAP_SECONDS
            self.refused_gap = hold * _NEAR_THE_LIMIT
            gap = self.refused_gap * _NEAR_THE_LIMIT
        self.found_gap = min(gap, longest)

    def begin_anew(self, at: float) -> None:
        """Nothing is sent until then, and what was taken before counts no more."""
        self.measured_from, self.taken = at, 0

    def seconds_of(self, deliveries: float) -> float:
        """How long so many are likely to take, the pace quickening as it may."""
        gap, least = self.gap, max(self.refused_gap * _NEAR_THE_LIMIT, self.registered_gap)
        if deliveries <= 0 or least >= gap:
            return max(deliveries, 0.0) * gap
        faster = 1 / (1 - _QUICKEN)  # with each delivery, but not before its outcome is known
        steps = math.log1p(deliveries * (faster - 1) * min(gap / NEAR_SECONDS, 1.0)) / math.log(faster)
        return min(steps * max(gap, NEAR_SECONDS), deliveries * gap)

    def _quickened(self) -> float:
        least = self.refused_gap * _NEAR_THE_LIMIT
        if self.sent_gap > least:
            return max(self.sent_gap * (1 - _QUICKEN), least)
        beyond = max(self.taken - _TAKEN_NEAR_THE_LIMIT, 0)
        return self.sent_gap * (1 - min(_BOLDER * beyond, _QUICKEN))
