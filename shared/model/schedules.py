"""What the Azure Functions host takes as the schedule of a timer: an NCRONTAB expression, or a time span.

The host starts without a function whose schedule it does not take. The rules are those of its timer extension
(Azure/azure-webjobs-sdk-extensions) and of the library NCrontab that this uses (atifaziz/NCrontab).
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)
_INT_MAX = 2**31 - 1
# .NET's int.Parse passes over white space and, at the end, over NULs.
_NUMBER = re.compile(r"0*([0-9]{1,10})[\t-\r ]*\0*")
_STEP = re.compile(r"[\t-\r ]*([+-]?)0*([0-9]{1,10})[\t-\r ]*\0*")
_SPAN = re.compile(r"\s*(-?)(?:([0-9]{1,8})\.)?([0-9]{1,8}(?::[0-9]{1,8}){0,3})(\.[0-9]{1,7})?\s*")


def schedule_problem(text: str) -> str | None:
    """What to change in a schedule that the host does not take, in words that go behind the name of its setting; None
    where the host takes it.

    `text` has six fields (second first) or five, or is a time span such as `00:30:00`. A date that never comes is taken
    too: such a timer never runs. The one thing refused that the host takes is a time span of 0 or less: the timer would
    run without a pause.
    """
    problem = _expression_problem(text)
    if problem is None:
        return None
    seconds = _span_seconds(text)
    if seconds is None:
        return problem
    return None if seconds > 0 else f"must be a time span above 0, not {text!r}"


def _expression_problem(text: str) -> str | None:
    parts = [part for part in text.split(" ") if part]
    if len(parts) in (5, 6):
        checked = zip(parts, _FIELDS[-len(parts) :], strict=True)
        problem = next((found for part, field in checked if (found := _field_problem(part, field))), None)
    else:
        problem = (
            f"must have six fields, from second to day of week, or five, from minute on; {text!r} has {len(parts)}"
        )
    if problem and any(sign.isspace() and sign != " " for sign in text):
        return f"must be one line with plain spaces, without tabs and without a line end; it is {text!r}"
    return problem


def _field_problem(text: str, field: _Field) -> str | None:
    return next((found for item in text.split(",") if (found := _item_problem(item, field))), None)


def _item_problem(item: str, field: _Field) -> str | None:
    span, slash, step = item.partition("/")
    if slash and not _is_step(step):
        return f"must have a whole number after the slash in {item!r}, the {field.name}"
    if span == "*":
        return None
    first, dash, last = span.partition("-")
    values = (first, last) if dash else (first,)
    return next((found for value in values if (found := _value_problem(value, field))), None)


def _is_step(text: str) -> bool:
    """Also one of 0 or less, which the host takes for 1."""
    match = _STEP.fullmatch(text)
    return match is not None and -_INT_MAX - 1 <= int(match[1] + match[2]) <= _INT_MAX


def _value_problem(text: str, field: _Field) -> str | None:
    if "0" <= text[:1] <= "9":
        match = _NUMBER.fullmatch(text)
        if match and field.low <= int(match[1]) <= field.high:
            return None
    elif text and any(name.startswith(text.lower()) for name in field.names):
        return None
    names = f" or a name such as {field.names[1].title()[:3]}" if field.names else ""
    return f"must have numbers from {field.low} to {field.high}{names} as the {field.name}, not {text!r}"


def _span_seconds(text: str) -> float | None:
    """The length of a time span as .NET reads it; None where it is none. `5` is five days, and `30:00:00` is 30 days,
    since there is no such hour."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    sign, days, rest, fraction = match.groups()
    numbers = [int(number) for number in rest.split(":")]
    if days is not None:
        numbers.insert(0, int(days))
        if len(numbers) < 3:
            return None
    elif len(numbers) == 2 or (len(numbers) == 3 and numbers[0] < 24):
        numbers.insert(0, 0)
    has_seconds = len(numbers) == 4
    numbers += [0] * (4 - len(numbers))
    if fraction and not has_seconds:
        return None
    whole_days, hours, minutes, seconds = numbers
    if len(numbers) > 4 or whole_days > 10_675_199 or hours > 23 or minutes > 59 or seconds > 59:
        return None
    length = ((whole_days * 24 + hours) * 60 + minutes) * 60 + seconds + float(fraction or 0)
    return -length if sign else length
