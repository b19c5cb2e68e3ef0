"""NCRONTAB schedules: six fields from second to day of week, or five (then second 0)."""

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
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class InvalidSchedule(ValueError):
    """The text is not an NCRONTAB expression; the message names the field."""


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
        """The first occurrence strictly after `moment`, in UTC. Raises InvalidSchedule when there is none."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        midnight = start.replace(hour=0, minute=0, second=0)
        for offset in range(HORIZON_DAYS):
            day = midnight + timedelta(days=offset)
            if not self._matches_day(day):
                continue
            found = self._first_time(day, start if offset == 0 else day)
            if found:
                return found
        raise InvalidSchedule("the schedule never occurs: no date matches its day of month, month and day of week")

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

    def recurs_within_a_minute(self, moment: datetime) -> bool:
        """Whether two of the next occurrences are less than a minute apart."""
        first = self.next_after(moment)
        for _ in range(10):
            second = self.next_after(first)
            if second - first < timedelta(minutes=1):
                return True
            first = second
        return False


def parse_schedule(text: str) -> Schedule:
    """Parse an NCRONTAB expression; raises InvalidSchedule."""
    parts = text.split()
    if len(parts) == 5:
        parts = ["0", *parts]
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
    if slash and not (step_text.isascii() and step_text.isdigit() and int(step_text) > 0):
        raise InvalidSchedule(f"{item!r} has no whole number above 0 after the slash, in the field {field.name}")
    step = int(step_text) if slash else 1
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


def parse_value(text: str, field: Field) -> int:
    if text.isascii() and text.isdigit():
        if field.low <= int(text) <= field.high:
            return int(text)
    elif text:
        for position, name in enumerate(field.names):
            if name.startswith(text.lower()):
                return field.low + position
    raise InvalidSchedule(f"{text!r} is not a {field.name} (from {field.low} to {field.high})")
