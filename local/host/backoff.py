"""How long a queue listener waits after an empty poll."""

from collections.abc import Callable
from datetime import timedelta

SHORTEST = timedelta(milliseconds=100)


class Backoff:
    """First 100 ms, then `100 + U(0.8, 1.2) * 2^(n-1) * 100` ms up to `longest`, where it stays.

    `jitter` gives the factor between 0.8 and 1.2, so that the schedule itself is a pure function.
    """

    def __init__(self, longest: timedelta, jitter: Callable[[], float]) -> None:
        self._longest = longest
        self._jitter = jitter
        self.reset()

    def reset(self) -> None:
        """A message was found: begin again."""
        self._empty_polls = 0
        self._at_longest = False

    def next_delay(self) -> timedelta:
        if self._at_longest:
            return self._longest
        delay = SHORTEST
        if self._empty_polls > 0:
            delay += self._jitter() * 2 ** (self._empty_polls - 1) * SHORTEST
        self._empty_polls += 1
        if delay >= self._longest:
            self._at_longest = True
            return self._longest
        return delay
