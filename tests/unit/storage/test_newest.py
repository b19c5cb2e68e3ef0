"""The newest events and deliveries: all pages together are what was noted, newest first, each once."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.processes import ENDPOINTS, Deployment, a_delivery, an_event
from shared.storage import newest
from shared.storage.counts import HOUR, Counts
from shared.storage.newest import Kind, walk

NOW = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)
A_DAY, A_WEEK, A_MINUTE = HOUR * 24, HOUR * 24 * 7, timedelta(minutes=1)
Page = tuple[list[str], str | None]


def page(
    counts: Counts,
    kind: Kind,
    top: int,
    continuation: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    of: str | None = None,
    now: datetime = NOW,
) -> Page:
    """Keys or ids; `of` a type or an endpoint."""
    way = walk(kind, now, since, until, continuation)
    if kind == "events":
        events = list(islice(newest.events(counts, way, of), top + 1))
        return [each.key for each in events[:top]], way.continuation(events[top - 1]) if len(events) > top else None
    found = list(islice(newest.deliveries(counts, way, of), top + 1))
    return [each.id for each in found[:top]], way.continuation(found[top - 1]) if len(found) > top else None


def listed(counts: Counts, kind: Kind, since: datetime, of: str | None = None) -> list[str]:
    return page(counts, kind, 1000, since=since, of=of)[0]


def ids(*numbers: int) -> list[str]:
    return [str(a_delivery(number)) for number in numbers]


def test_the_newest_come_first_from_all_processes_each_delivery_once() -> None:
    deployment = Deployment()
    one, other = deployment.process(), deployment.process()
    one.came(NOW - HOUR * 2, a_delivery(1), "failedAttempts")
    other.came(NOW - A_MINUTE * 5, a_delivery(2), "delivered")
    one.came(NOW - A_MINUTE, a_delivery(1), "delivered")
    deployment.clock.pass_by()
    for reader in (one, deployment.process()):
        assert listed(reader, "deliveries", NOW - A_DAY) == ids(1, 2)
        first, rest = page(reader, "deliveries", 1)
        assert first == ids(1)
        assert page(reader, "deliveries", 1, rest) == (ids(2), None)


def test_they_are_of_a_type_or_an_endpoint_and_of_a_time() -> None:
    deployment = Deployment()
    counts = deployment.process()
    for at, key in enumerate(("a1", "b2", "a3")):
        counts.accepted(NOW - HOUR * at, an_event(key), deliveries=at)
        counts.came(NOW - HOUR * at, a_delivery(at, ENDPOINTS[at % 2]), "delivered")
    deployment.clock.pass_by()
    reader = deployment.process()
    assert listed(reader, "events", NOW - A_DAY) == ["a1", "b2", "a3"]
    assert listed(reader, "events", NOW - A_DAY, "custom.a") == ["a1", "a3"]
    assert listed(reader, "events", NOW - HOUR) == ["a1", "b2"]
    assert page(reader, "events", 9, until=NOW - HOUR)[0] == ["a3"]
    assert page(reader, "events", 9, until=NOW)[0] == ["b2", "a3"]
    assert page(reader, "events", 9, since=NOW, until=NOW - HOUR) == ([], None)
    assert listed(reader, "deliveries", NOW - A_DAY, ENDPOINTS[0]) == ids(0, 2)


def test_events_of_one_key_are_all_there() -> None:
    """A key belongs to its publisher, and may be used again when it has been forgotten."""
    deployment = Deployment()
    counts = deployment.process()
    for at in (NOW - HOUR * 30, NOW - A_MINUTE * 2, NOW):
        counts.accepted(at, an_event("a1"), 1)
    deployment.clock.pass_by()
    for reader in (counts, deployment.process()):
        assert listed(reader, "events", NOW - HOUR * 48) == ["a1"] * 3
        assert page(reader, "events", 9) == (["a1"] * 2, None)


def test_looking_far_back_costs_a_few_queries() -> None:
    """From the year 2000 on it was a query for each of 230,000 hours."""
    deployment = Deployment()
    counts = deployment.process()
    for days_ago in (0, 3, 6, 8):
        counts.accepted(NOW - timedelta(days=days_ago), an_event(f"e{days_ago}"), 1)
        counts.came(NOW - timedelta(days=days_ago), a_delivery(days_ago), "delivered")
    deployment.clock.pass_by()
    long_ago, reader = datetime(2000, 1, 1, tzinfo=UTC), deployment.process()
    deployment.account.breaks(None)
    assert listed(reader, "events", long_ago) == ["e0", "e3", "e6"]
    assert listed(reader, "deliveries", long_ago) == ids(0, 3, 6)
    assert deployment.account.calls <= 2 * 10


def an_event_an_hour(deployment: Deployment, hours: int) -> None:
    counts = deployment.process()
    for hours_ago in range(hours):
        counts.accepted(NOW - HOUR * hours_ago, an_event(f"e{hours_ago}"), 1)
        counts.came(NOW - HOUR * hours_ago, a_delivery(hours_ago), "delivered")
    deployment.clock.pass_by()
    deployment.account.breaks(None)


def test_where_much_happens_no_more_than_needed_is_read() -> None:
    """The hour, two hours, and four for what says that there is another page."""
    deployment = Deployment()
    an_event_an_hour(deployment, 100)
    found, rest = page(deployment.process(), "events", 3, since=NOW - A_WEEK)
    assert (found, deployment.account.calls) == (["e0", "e1", "e2"], 3)
    assert rest


def test_a_page_at_depth_costs_a_few_queries() -> None:
    """As many as a first one of two, and one for each week where it has to be known what the pages before listed."""
    deployment = Deployment()
    an_event_an_hour(deployment, 100)
    kinds: list[tuple[Kind, int]] = [("events", 3), ("deliveries", 4)]
    for kind, most in kinds:
        rest = page(deployment.process(), kind, 95, since=NOW - A_WEEK)[1]
        deployment.account.breaks(None)
        assert len(page(deployment.process(), kind, 2, rest, since=NOW - A_WEEK)[0]) == 2
        assert deployment.account.calls <= most


def test_what_comes_while_pages_are_read_moves_nothing() -> None:
    """Nor does a delivery that is attempted anew leave the page on which it was to come."""
    deployment = Deployment()
    an_event_an_hour(deployment, 20)
    other = deployment.process()
    first, rest = page(deployment.process(), "deliveries", 5)
    later = NOW + A_MINUTE
    other.came(later, a_delivery(7), "delivered")
    other.came(later, a_delivery(2), "delivered")
    other.came(later, a_delivery(99), "delivered")
    deployment.clock.pass_by()
    second, rest = page(deployment.process(), "deliveries", 100, rest, now=later + HOUR * 3)
    assert (first + second, rest) == (ids(*range(20)), None)
    assert page(deployment.process(), "deliveries", 3, now=later)[0] == ids(99, 7, 2)


NOTES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([0, 1, 59, 90, 300, 1439, 4320]),
        st.sampled_from([0, 1, 900, 1000]),
        st.integers(0, 9),
    ),
    max_size=40,
)
"""By which process, how many minutes and microseconds before NOW, and of what."""


def expected(kind: Kind, notes: Sequence[tuple[int, int, int, int]]) -> list[str]:
    """The list without pages, from what it is said to be."""
    seen: dict[object, tuple[datetime, str]] = {}
    for _, minutes, micros, number in notes:
        at = NOW - timedelta(minutes=minutes, microseconds=micros)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        name = f"e{number}" if kind == "events" else str(a_delivery(number))
        known = (at, name)
        identity = known if kind == "events" else name
        seen[identity] = max(seen.get(identity, known), known)
    return [name for _, name in sorted(seen.values(), reverse=True)]


@pytest.mark.parametrize("kind", ["events", "deliveries"])
@given(NOTES, st.integers(1, 7), st.lists(st.integers(0, 12), max_size=20))
def test_the_pages_together_are_the_list_without_pages(
    kind: Kind, notes: list[tuple[int, int, int, int]], top: int, arriving: list[int]
) -> None:
    """Whoever noted it, whichever process is asked for the next page, and whatever comes meanwhile."""
    deployment = Deployment()
    processes = [deployment.process() for _ in range(3)]

    def note(process: int, at: datetime, number: int) -> None:
        processes[process].accepted(at, an_event(f"e{number}"), 1)
        processes[process].came(at, a_delivery(number), "delivered")

    for process, minutes, micros, number in notes:
        note(process, NOW - timedelta(minutes=minutes, microseconds=micros), number)
    deployment.clock.pass_by()
    found: list[str] = []
    rest, now, asked = None, NOW, 0
    while asked == 0 or rest:
        reader = [*processes, deployment.process()][asked % 4]
        some, rest = page(reader, kind, top, rest, since=NOW - A_WEEK, now=now)
        found += some
        assert len(some) == top or rest is None
        now, asked = now + A_MINUTE, asked + 1
        if arriving:
            note(asked % 3, now, arriving.pop())
            deployment.clock.pass_by()
    assert found == expected(kind, notes)


def token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "events",
        "events-0192F0B5A000-0192F0B5A000-",
        "events-8192F0B5A000-0192F0B5A000-e1",
        "events-0192f0b5a000-0192f0b5a000-e1",
        "events-0192F0B5A000-0192F0B5A000-e 1",
        f"deliveries-0192F0B5A000-0192F0B5A000-{a_delivery(1)}",
        "7E6D0F4A5FFF-EEEEEEEEEEEEEEEEEEEEEEEEEE",
    ],
)
def test_what_no_page_of_the_list_gave_is_no_continuation(text: str) -> None:
    for given_ in (text, token(text)):
        with pytest.raises(ValueError):  # noqa: PT011 (any of them is answered with 400)
            walk("events", NOW, None, None, given_)


@pytest.mark.parametrize("began", ["000000000000", "7FFFFFFFFFFF"])
def test_a_continuation_of_any_time_reads_a_week_at_most(began: str) -> None:
    deployment = Deployment()
    an_event_an_hour(deployment, 10)
    rest = token(f"deliveries-{began}-{began}-{a_delivery(1)}")
    assert page(deployment.process(), "deliveries", 5, rest, since=datetime(2000, 1, 1, tzinfo=UTC)) == ([], None)
    assert deployment.account.calls <= 20
