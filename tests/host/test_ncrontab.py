from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.ncrontab import FIELDS, Field, InvalidSchedule, NotHere, parse_field, parse_schedule

SUNDAY = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 */5 * * * *", "2026-11-22T10:05:00"),
        ("*/5 * * * *", "2026-11-22T10:05:00"),
        ("*/15 * * * * *", "2026-11-22T10:00:15"),
        ("0 0 10 * * *", "2026-11-23T10:00:00"),
        ("30 59 23 * * *", "2026-11-22T23:59:30"),
        ("0 0 0 1 * *", "2026-12-01T00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 * Jan,mar *", "2027-01-01T00:00:00"),
        ("0 0 12 * * MON-FRI", "2026-11-23T12:00:00"),
        # Day of month AND day of week: Friday the 13th, where cron would take either.
        ("0 0 0 13 * 5", "2027-08-13T00:00:00"),
        ("0 0 0 29 2 0", "2032-02-29T00:00:00"),
    ],
)
def test_next_occurrence(expression: str, expected: str) -> None:
    assert parse_schedule(expression).next_after(SUNDAY) == datetime.fromisoformat(expected + "+00:00")


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("50/4", FIELDS[0], {50, 54, 58}),
        ("5-1", FIELDS[5], {1, 2, 3, 4, 5}),  # swapped, not wrapped around
        ("10-20/5", FIELDS[1], {10, 15, 20}),
        ("1,3,5", FIELDS[2], {1, 3, 5}),
        ("t", FIELDS[5], {2}),  # any prefix; the first name that has it
        ("Saturday", FIELDS[5], {6}),
        ("ju", FIELDS[4], {6}),
    ],
)
def test_field(text: str, field: Field, expected: set[int]) -> None:
    assert parse_field(text, field) == expected


@pytest.mark.parametrize(
    "expression",
    ["0 0 3 * * *\n", "0 0\t3 * * *", "0\u00a00 3 * * * *", "", "* * * *", "* * * * * * *", "60 * * * * *",
     "0 0 0 0 * *", "0 0 0 * * 7", "0 0 0 L * *", "0 0 0 ? * *",
     "0 0 0 * * 1#2", "0 0 0 1W * *", "@daily", "00:00:30", "*/x * * * * *", "1, * * * * *", "-1 * * * * *",
     "0 0 0 * * Sundays", "0 0 0 * 1x *", "a * * * * *"],
)  # fmt: skip
def test_invalid(expression: str) -> None:
    with pytest.raises(InvalidSchedule):
        parse_schedule(expression)


@pytest.mark.parametrize(("expression", "message"), [("0 0 0 30 2 *", "never occurs"), ("00:00:30", "time span")])
def test_what_azure_takes_and_this_host_does_not(expression: str, message: str) -> None:
    with pytest.raises(NotHere, match=message):
        parse_schedule(expression)


@pytest.mark.parametrize("step", ["0", "-5", "+1"])
def test_a_step_of_0_or_less_is_1(step: str) -> None:
    assert parse_schedule(f"10-20/{step} * * * * *").seconds == tuple(range(10, 21))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/30 * * * * *", True),
        ("0,59 0-59 * 1-31 * *", True),
        ("0 * * * * *", False),
        ("0,59 0 * * * *", False),  # several seconds, but not of every minute
        ("* * * * * 1", False),
        ("0 */5 * * * *", False),
    ],
)
def test_is_of_seconds(expression: str, expected: bool) -> None:
    assert parse_schedule(expression).is_of_seconds is expected


def values(field: Field) -> st.SearchStrategy[str]:
    number = st.integers(field.low, field.high).map(str)
    spans = st.tuples(number, number).map("-".join)
    steps = st.tuples(st.one_of(st.just("*"), number, spans), st.integers(1, 40).map(str)).map("/".join)
    return st.lists(st.one_of(st.just("*"), number, spans, steps), min_size=1, max_size=3).map(",".join)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


@given(values(FIELDS[0]), values(FIELDS[1]), moments)
def test_next_is_the_first_match(seconds: str, minutes: str, moment: datetime) -> None:
    found = parse_schedule(f"{seconds} {minutes} * * * *").next_after(moment)
    assert found > moment
    matching_seconds, matching_minutes = parse_field(seconds, FIELDS[0]), parse_field(minutes, FIELDS[1])
    step = moment.replace(microsecond=0) + timedelta(seconds=1)
    while not (step.second in matching_seconds and step.minute in matching_minutes):
        step += timedelta(seconds=1)
    assert found == step


@given(values(FIELDS[2]), values(FIELDS[3]), values(FIELDS[5]), moments)
def test_next_day_is_the_first_match(hours: str, days: str, weekdays: str, moment: datetime) -> None:
    found = parse_schedule(f"0 0 {hours} {days} * {weekdays}").next_after(moment)
    fields = [
        parse_field(text, field) for text, field in ((hours, FIELDS[2]), (days, FIELDS[3]), (weekdays, FIELDS[5]))
    ]
    step = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while not (step.hour in fields[0] and step.day in fields[1] and step.isoweekday() % 7 in fields[2]):
        step += timedelta(hours=1)
    assert found == step


def test_other_time_zones_are_taken_as_the_moment_they_are() -> None:
    berlin = datetime(2026, 11, 22, 11, 0, 0, tzinfo=timezone(timedelta(hours=1)))
    assert parse_schedule("0 30 10 * * *").next_after(berlin) == datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
