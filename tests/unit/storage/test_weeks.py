"""Dated tables and row keys."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model import to_ms
from shared.storage.weeks import WEEK, newest_first, table_name, time_of, week_start, weeks_back

times = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
milliseconds = st.integers(0, 2**47 - 1)


@given(milliseconds, milliseconds)
def test_later_times_sort_before_earlier_ones(one: int, other: int) -> None:
    assert (newest_first(one) < newest_first(other)) is (one > other)


@given(milliseconds)
def test_the_time_of_a_row_key_is_read_back(at_ms: int) -> None:
    assert time_of(newest_first(at_ms)) == at_ms
    assert time_of(newest_first(at_ms) + "-" + "A" * 26) == at_ms
    assert len(newest_first(at_ms)) == 12


@given(times)
def test_a_week_begins_on_the_monday_before_at_midnight_utc(at: datetime) -> None:
    start = week_start(at)
    assert start <= at < start + WEEK
    assert (start.weekday(), start.hour, start.minute, start.second, start.microsecond) == (0, 0, 0, 0, 0)
    assert start.utcoffset() == timedelta()


@given(times, st.timedeltas(timedelta(), timedelta(days=100)))
def test_weeks_back_are_every_week_between_newest_first(newest: datetime, span: timedelta) -> None:
    oldest = newest - span
    weeks = list(weeks_back(newest, oldest))
    assert weeks[0] == week_start(newest)
    assert weeks[-1] == week_start(oldest)
    assert all(later - earlier == WEEK for later, earlier in itertools.pairwise(weeks))


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (datetime(2026, 11, 16, 0, 0, tzinfo=UTC), "events20261116"),
        (datetime(2026, 11, 22, 23, 59, 59, 999000, tzinfo=UTC), "events20261116"),
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), "events20261123"),
        (datetime(2026, 11, 23, 1, 0, tzinfo=timezone(timedelta(hours=2))), "events20261116"),
        (datetime(2027, 1, 1, 12, 0, tzinfo=UTC), "events20261228"),
    ],
)
def test_a_table_is_named_by_its_week(at: datetime, name: str) -> None:
    assert table_name("events", to_ms(at)) == name


def test_no_week_lies_between_times_in_the_wrong_order() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert list(weeks_back(now - WEEK, now)) == []
