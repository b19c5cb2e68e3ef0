"""Which stretches of the feed a poll lists. Pure.

A list is asked for by time of arrival, of at most 24 hours; exactly 24 have been refused, so it is 23. What arrives
late gets a late time of arrival, and is met by the next list. What appears late in the list itself is met by looking
back a day each time, and all seven days a few times a day.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.model.sharing import LOOK_BACK, PollState

WIDEST = timedelta(hours=23)
OVERLAP = timedelta(hours=24)
SWEEP_EVERY = timedelta(hours=6)
SETTLED_AFTER = timedelta(minutes=10)
"""A content may still grow for a while after it is first listed."""


class Window(NamedTuple):
    start: datetime
    end: datetime


def oldest_listed(now: datetime) -> datetime:
    """What arrived before this is no longer asked for."""
    return now - LOOK_BACK


def is_sweep_due(state: PollState, now: datetime) -> bool:
    """Also where the last one was in a future, of a clock that has been set right since."""
    return state.swept_at is None or not timedelta() <= now - state.swept_at < SWEEP_EVERY


def windows(state: PollState, now: datetime) -> Iterator[Window]:
    """In order of time. They begin on even tens of minutes: one that began at a content's own time of arrival has been
    answered with a part of that content."""
    back = oldest_listed(now)
    start = back if is_sweep_due(state, now) else max(min(state.cursor, now) - OVERLAP, back)
    start = max(start, state.since)
    start -= timedelta(minutes=start.minute % 10, seconds=start.second, microseconds=start.microsecond)
    end = now.replace(microsecond=0) + timedelta(seconds=1)
    while start < end:
        until = min(start + WIDEST, end)
        yield Window(start, until)
        start = until
