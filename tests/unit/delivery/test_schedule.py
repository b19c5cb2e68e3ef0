"""What follows an attempt."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import NOW
from shared.delivery.schedule import Delivered, Exhausted, Gone, Retry, decide
from shared.model.retry_after import LONGEST_RETRY_AFTER, read_retry_after

TOLD_IN = "docs/receivers.md#what-your-answer-means"

DELAYS = [timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10)]
statuses = st.none() | st.integers(100, 599)
waits = st.none() | st.timedeltas(timedelta(), timedelta(days=2))
schedules = st.lists(st.timedeltas(timedelta(), timedelta(days=1)), max_size=6)
positions = st.integers(1, 8)


def test_the_published_schedule_is_30_seconds_2_minutes_10_minutes_and_then_the_end() -> None:
    assert [decide(position, 500, None, DELAYS) for position in (1, 2, 3, 4)] == [*map(Retry, DELAYS), Exhausted()]


@given(positions, st.integers(200, 299), waits, schedules)
def test_any_2xx_is_a_success_whatever_else(
    position: int, status: int, wait: timedelta | None, delays: list[timedelta]
) -> None:
    assert decide(position, status, wait, delays) == Delivered()


@given(positions, waits, schedules)
def test_410_ends_the_delivery_at_any_position(position: int, wait: timedelta | None, delays: list[timedelta]) -> None:
    assert decide(position, 410, wait, delays) == Gone()


@given(statuses.filter(lambda status: status != 410 and (status is None or not 200 <= status <= 299)), waits, schedules)
def test_every_other_answer_and_none_at_all_uses_up_the_schedule(
    status: int | None, wait: timedelta | None, delays: list[timedelta]
) -> None:
    outcomes = [decide(position, status, wait, delays) for position in range(1, len(delays) + 3)]
    assert all(isinstance(outcome, Retry) for outcome in outcomes[: len(delays)])
    assert outcomes[len(delays) :] == [Exhausted(), Exhausted()]


@given(positions, statuses, waits, schedules)
def test_retry_after_only_ever_lengthens_a_delay_and_at_most_to_an_hour(
    position: int, status: int | None, wait: timedelta | None, delays: list[timedelta]
) -> None:
    asked, unasked = decide(position, status, wait, delays), decide(position, status, None, delays)
    assert type(asked) is type(unasked)
    if isinstance(asked, Retry) and isinstance(unasked, Retry):
        assert unasked.after <= asked.after <= max(unasked.after, LONGEST_RETRY_AFTER)
        if status not in (429, 503):
            assert asked == unasked


@given(
    st.sampled_from([429, 503]),
    st.timedeltas(timedelta(), timedelta(days=1)),
    st.timedeltas(timedelta(), timedelta(days=1)),
)
def test_a_longer_wait_asked_for_never_means_a_shorter_delay(status: int, one: timedelta, other: timedelta) -> None:
    shorter, longer = (decide(1, status, wait, DELAYS) for wait in sorted((one, other)))
    assert isinstance(shorter, Retry)
    assert isinstance(longer, Retry)
    assert shorter.after <= longer.after


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_counts_on_429_and_503(status: int) -> None:
    assert decide(1, status, timedelta(minutes=5), DELAYS) == Retry(timedelta(minutes=5))
    assert decide(1, status, timedelta(days=5), DELAYS) == Retry(timedelta(hours=1))
    assert decide(3, status, timedelta(minutes=5), DELAYS) == Retry(timedelta(minutes=10))
    assert decide(4, status, timedelta(minutes=5), DELAYS) == Exhausted()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("3600", 3600),
        ("3601", 3600),
        ("9" * 50, 3600),
        ("Sun, 22 Nov 2026 10:05:00 GMT", 300),
        ("Sunday, 22-Nov-26 10:05:00 GMT", 300),
        ("Sun Nov 22 10:05:00 2026", 300),
        ("Sun, 22 Nov 2026 12:05:00 +0200", 300),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(text: str, seconds: int) -> None:
    assert read_retry_after(text, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", [None, "", " ", "soon", "-5", "1.5", "٣", "Sun, 99 Nov 2026 10:05:00 GMT", "120, 60"])
def test_a_retry_after_that_cannot_be_read_is_none(text: str | None) -> None:
    assert read_retry_after(text, NOW) is None


DATE_PARTS = [
    "Sun",
    "Sunday,",
    ",",
    "22",
    "Nov",
    "2026",
    "26",
    "99",
    "10:05:00",
    "25:61",
    "GMT",
    "+0200",
    "-9999",
    "0",
    ":",
]


@given(st.text(max_size=40) | st.lists(st.sampled_from(DATE_PARTS), max_size=8).map(" ".join))
def test_reading_retry_after_never_fails(text: str) -> None:
    wait = read_retry_after(text, datetime.now(UTC))
    assert wait is None or timedelta() <= wait <= LONGEST_RETRY_AFTER


@pytest.mark.parametrize(
    "text",
    ["Sun, 22 Nov 99999999999 10:05:00 GMT", f"Sun, 22 Nov {'9' * 40} 10:05:00 GMT", f"22 Nov 2026 {'9' * 20}:05"],
)
def test_a_date_beyond_all_calendars_is_none(text: str) -> None:
    assert read_retry_after(text, NOW) is None


def test_a_date_is_bounded_as_seconds_are() -> None:
    assert read_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", NOW) == LONGEST_RETRY_AFTER
