"""NCRONTAB schedules: six fields from second to day of week, or five (then second 0)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
          "november", "december")  # fmt: skip
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@dataclass(frozen=True)
class Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 0, 6, DAYS),
)
# Every date comes back with its weekday within 40 years, also across a century that is no leap year.
HORIZON_DAYS = 41 * 366
INT_MAX = 2**31 - 1
# As .NET reads a number: white space may stand behind it, and before a step.
NUMBER = re.compile(r"0*([0-9]{1,10})[\t-\r ]*\0*")
STEP = re.compile(r"[\t-\r ]*([+-]?)0*([0-9]{1,10})[\t-\r ]*\0*")
TIME_SPAN = re.compile(r"\s*-?[0-9]+([.:][0-9]+)*\s*")
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class InvalidSchedule(ValueError):
    """The text is not an NCRONTAB expression; the message names the field."""


class NotHere(InvalidSchedule):
    """Azure takes the schedule, and this host refuses it on purpose."""


@dataclass(frozen=True)
class Schedule:
    """The values at which each field matches; day of month AND day of week must match."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence strictly after `moment`, in UTC. Raises NotHere when there is none."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        midnight = start.replace(hour=0, minute=0, second=0)
        for offset in range(HORIZON_DAYS):
            day = midnight + timedelta(days=offset)
            if not self._matches_day(day):
                continue
            found = self._first_time(day, start if offset == 0 else day)
            if found:
                return found
        raise NotHere("the schedule never occurs: no date matches its day of month, month and day of week")

    def _matches_day(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _first_time(self, day: datetime, earliest: datetime) -> datetime | None:
        for hour in self.hours:
            for minute in self.minutes:
                # Passing over whole minutes keeps a search late in the day short.
                if (hour, minute) < (earliest.hour, earliest.minute):
                    continue
                for second in self.seconds:
                    moment = day.replace(hour=hour, minute=minute, second=second)
                    if moment >= earliest:
                        return moment
        return None

    @property
    def is_of_seconds(self) -> bool:
        """Whether it occurs several times in every minute. The host keeps no status of such a timer, since a missed run
        would not matter."""
        upper = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        every = all(len(values) > field.high - field.low for values, field in zip(upper, FIELDS[1:], strict=True))
        return every and len(self.seconds) > 1


def parse_schedule(text: str) -> Schedule:
    """Parse an NCRONTAB expression; raises InvalidSchedule."""
    # At plain spaces only: a tab or a line end is part of a field.
    parts = [part for part in text.split(" ") if part]
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6 and TIME_SPAN.fullmatch(text):
        raise NotHere(f"{text!r} is a time span, which Azure takes and this host does not: give six fields")
    if len(parts) != 6:
        raise InvalidSchedule(f"{text!r} has {len(parts)} fields; six are needed (second first), or five")
    values = [parse_field(part, field) for part, field in zip(parts, FIELDS, strict=True)]
    seconds, minutes, hours = (tuple(sorted(value)) for value in values[:3])
    schedule = Schedule(seconds, minutes, hours, *(frozenset(value) for value in values[3:]))
    schedule.next_after(EPOCH)  # raises for a date such as 30 February
    return schedule


def parse_field(text: str, field: Field) -> set[int]:
    return set().union(*(parse_item(item, field) for item in text.split(",")))


def parse_item(item: str, field: Field) -> set[int]:
    span, slash, step_text = item.partition("/")
    step = parse_step(step_text, field) if slash else 1
    first_text, dash, last_text = span.partition("-")
    if span == "*":
        first, last = field.low, field.high
    elif dash:
        # A reversed range is swapped, not wrapped around.
        first, last = sorted((parse_value(first_text, field), parse_value(last_text, field)))
    else:
        first = parse_value(span, field)
        last = field.high if slash else first
    return set(range(first, last + 1, step))


def parse_step(text: str, field: Field) -> int:
    match = STEP.fullmatch(text)
    if not match or not -INT_MAX - 1 <= int(match[1] + match[2]) <= INT_MAX:
        raise InvalidSchedule(f"{text!r} after the slash is no whole number, in the field {field.name}")
    return max(1, int(match[1] + match[2]))  # one of 0 or less counts as 1


def parse_value(text: str, field: Field) -> int:
    if "0" <= text[:1] <= "9":
        match = NUMBER.fullmatch(text)
        if match and field.low <= int(match[1]) <= field.high:
            return int(match[1])
    elif text:
        for position, name in enumerate(field.names):
            if name.startswith(text.lower()):
                return field.low + position
    raise InvalidSchedule(f"{text!r} is not a {field.name} (from {field.low} to {field.high})")
