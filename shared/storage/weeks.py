"""Dated tables: one a week of acceptance time, so that retention drops whole tables and scans none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.model import from_ms

WEEK = timedelta(days=7)
_GRACE = timedelta(days=14)
"""How much longer than the retention period a table is kept: a week of table, a week of schedule."""

_END_MS = 2**47 - 1


def oldest_kept(now: datetime, retention: timedelta) -> datetime:
    """What was accepted in a week that ended before this is dropped."""
    return now - retention - _GRACE


def week_start(at: datetime) -> datetime:
    """Monday 00:00 UTC of the week that holds `at`."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def table_name(prefix: str, at_ms: int) -> str:
    """`events20261116` for anything accepted in the week of Monday 16 November 2026."""
    return f"{prefix}{week_start(from_ms(at_ms)):%Y%m%d}"


def weeks_back(newest: datetime, oldest: datetime) -> Iterator[datetime]:
    """The starts of the weeks from the one holding `newest` back to the one holding `oldest`."""
    week = week_start(newest)
    while week >= week_start(oldest):
        yield week
        week -= WEEK


def newest_first(at_ms: int) -> str:
    """The beginning of a row key that sorts later times before earlier ones."""
    return f"{_END_MS - at_ms:012X}"


def time_of(row: str) -> int:
    """The milliseconds that `newest_first` wrote."""
    return _END_MS - int(row[:12], 16)
