import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.ncrontab import InvalidSchedule, NotHere, parse_schedule
from shared.model.schedules import schedule_problem

TAKEN = [
    "0 */5 * * * *",
    "*/5 * * * *",
    "0 20 */6 * * *",
    "  0 0   3 * * *  ",
    "0 0 12 * jan-MAR,Dec mon-Fri",
    "0 0 0 * j s",  # any prefix of a name
    "59-0 5-1 23-1/2 31-1 12-1 6-0",  # reversed ranges are swapped
    "00 000 3 01 * *",
    "*/0 */-3 1-5/+2 * * 1/0",  # a step of 0 or less is one of 1
    "0 0 3 * * 1\n",  # .NET reads a number with white space behind it
    "0 0 3 * * */2\r\n",
    "0 0 0 30 2 *",  # never comes, and is taken
    "* * * * * *",
]
SPANS = [
    "00:00:05",
    "00:30:00",
    "5",
    " 1.00:00 ",
    "23:59",
    "30:00:00",
    "1:02:03:04",
    "1.02:03:04.5000001",
    "00:00:00.1",
]
REFUSED = {
    "": "has 0",
    "* * * *": "has 4",
    "* * * * * * *": "has 7",
    "@daily": "six fields",
    "60 * * * * *": "from 0 to 59 as the second, not '60'",
    "0 0 24 * * *": "as the hour",
    "0 0 0 0 * *": "from 1 to 31 as the day of month",
    "0 0 0 * 13 *": "or a name such as Feb as the month",
    "0 0 0 * * 7": "from 0 to 6 or a name such as Mon as the day of week, not '7'",
    "0 0 0 L * *": "not 'L'",
    "0 0 0 ? * *": "not '?'",
    "0 0 0 * * 1#2": "not '1#2'",
    "0 0 0 1W * *": "not '1W'",
    "0 0 0 * * Sundays": "not 'Sundays'",
    "0 0 0 * * m\u00f6n": "not 'm\u00f6n'",
    "1, * * * * *": "not ''",
    ",1 * * * * *": "not ''",
    "-1 * * * * *": "not ''",
    "1- * * * * *": "not ''",
    "1-2-3 * * * * *": "not '2-3'",
    "1-*/2 * * * * *": "not '*'",
    "/5 * * * * *": "not ''",
    "*/ * * * * *": "after the slash in '*/', the second",
    "*/x * * * * *": "after the slash",
    "*/1/2 * * * * *": "after the slash",
    "*/2147483648 * * * * *": "after the slash",
    "70/5 * * * * *": "not '70'",
    f"{'9' * 5000} * * * * *": "from 0 to 59",
    "0 0 3 * * *\n": "plain spaces",
    "0 0 3 * * *\t": "plain spaces",
    "0 0\t3 * * *": "plain spaces",
    "0\u00a00 3 * * *": "plain spaces",
    "24:00": "six fields",
    "5.5": "six fields",
    "00:60:00": "six fields",
    "1:2:3:4:5": "six fields",
    "00:00.5": "six fields",
    "00:00:00": "time span above 0",
    "0": "time span above 0",
    "-01:00:00": "time span above 0",
}


@pytest.mark.parametrize("text", TAKEN + SPANS)
def test_taken(text: str) -> None:
    assert schedule_problem(text) is None


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=[text[:20] for text in REFUSED])
def test_refused(text: str, expected: str) -> None:
    problem = schedule_problem(text)
    assert problem is not None
    assert expected in problem
    assert problem.startswith("must ")


def agrees(text: str) -> bool:
    """The local host takes what this takes, but for dates that never come and time spans."""
    try:
        parse_schedule(text)
    except NotHere:
        return True
    except InvalidSchedule:
        return schedule_problem(text) is not None
    return schedule_problem(text) is None


@pytest.mark.parametrize("text", [*TAKEN, *SPANS, *REFUSED], ids=lambda text: text[:20])
def test_the_local_host_agrees(text: str) -> None:
    assert agrees(text)


numbers = st.integers(-2, 70).map(str) | st.sampled_from(["00", "+1", "2147483648", "\u0663", "1\t", "\n1", "1\0"])
values = numbers | st.sampled_from(["*", "", "jan", "Sat", "MAY", "x", "?", "L"])
spans = values | st.tuples(values, values).map("-".join)
items = spans | st.tuples(spans, numbers | st.sampled_from(["", "*"])).map("/".join)
fields = st.lists(items, min_size=1, max_size=2).map(",".join)
separators = st.sampled_from([" "] * 8 + ["  ", "\t", "\n"])
plausible = st.lists(st.tuples(fields, separators).map("".join), min_size=4, max_size=7).map("".join)


@given(plausible | st.text("0123456789:.-+*/,? \tjanMON\u00a0", max_size=30))
def test_the_local_host_agrees_on_anything(text: str) -> None:
    assert agrees(text)
