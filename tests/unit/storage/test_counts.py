"""Counts: what is added in memory is what is read, whichever process it was, and storage in trouble stops nobody."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from doubles.storage_account import Account, Fault, Services
from shared.model import DeliveryId, Event
from shared.storage.counts import HOUR, MOST_NEWEST, Counts, Outcome

NOW = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)
ENDPOINTS = ["A" * 26, "B" * 26]
OUTCOMES: list[Outcome] = ["delivered", "failedAttempts", "exhausted", "cancelled"]


@dataclass
class Clock:
    """What was to be done later, to be done when the test wants it."""

    due: list[Callable[[], None]] = field(default_factory=list)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self.due.append(work)

    def pass_by(self) -> None:
        due, self.due = self.due, []
        for work in due:
            work()


class Deployment:
    """Processes on one storage account."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account or Account()
        self.clock = Clock()

    def process(self) -> Counts:
        return Counts(cast(Any, Services(self.account)), self.clock.later)


def an_event(key: str) -> Event:
    return Event(type=f"custom.{key[0]}", content="{}", time_stamp="2026-11-26T10:00:00Z", key=key, severity="low")


def a_delivery(number: int, endpoint: str = ENDPOINTS[0]) -> DeliveryId:
    return DeliveryId(number, "E" * 26, endpoint)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(ENDPOINTS), st.sampled_from(OUTCOMES)),
        max_size=40,
    ),
    st.integers(0, 40),
)
def test_the_sum_of_what_every_process_wrote_is_what_happened(
    happened: list[tuple[int, int, str, Outcome]], written_after: int
) -> None:
    """Whenever the rows are written, and however often."""
    deployment = Deployment()
    processes = [deployment.process() for _ in range(3)]
    expected: dict[tuple[datetime, str, Outcome], int] = {}
    for at, (process, hours_ago, endpoint, outcome) in enumerate(happened):
        time = NOW - HOUR * hours_ago
        processes[process].came(time, a_delivery(at, endpoint), outcome)
        start = time.replace(minute=0)
        expected[start, endpoint, outcome] = expected.get((start, endpoint, outcome), 0) + 1
        if at == written_after:
            deployment.clock.pass_by()
    deployment.clock.pass_by()
    for reader in (*processes, deployment.process()):
        found = reader.hours(NOW - HOUR * 4, NOW)
        assert {
            (start, endpoint, outcome): number
            for start, hour in found.items()
            for endpoint, outcomes in hour.endpoints.items()
            for outcome, number in outcomes.items()
            if number
        } == expected


def test_the_newest_come_first_from_all_processes_each_delivery_once() -> None:
    deployment = Deployment()
    one, other = deployment.process(), deployment.process()
    one.came(NOW - timedelta(hours=2), a_delivery(1), "failedAttempts")
    other.came(NOW - timedelta(minutes=5), a_delivery(2), "delivered")
    one.came(NOW - timedelta(minutes=1), a_delivery(1), "delivered")
    deployment.clock.pass_by()
    for reader in (one, deployment.process()):
        found = reader.newest_deliveries(NOW - HOUR * 24, NOW, 10)
        assert [each.id for each in found] == [str(a_delivery(1)), str(a_delivery(2))]
        assert [each.id for each in reader.newest_deliveries(NOW - HOUR * 24, NOW, 1)] == [str(a_delivery(1))]


def test_newest_events_are_of_a_type_and_a_time() -> None:
    deployment = Deployment()
    counts = deployment.process()
    for at, key in enumerate(("a1", "b2", "a3")):
        counts.accepted(NOW - HOUR * at, an_event(key), deliveries=at)
    deployment.clock.pass_by()
    reader = deployment.process()
    assert [each.key for each in reader.newest_events(NOW - HOUR * 24, NOW, 10, None)] == ["a1", "b2", "a3"]
    assert [each.key for each in reader.newest_events(NOW - HOUR * 24, NOW, 10, "custom.a")] == ["a1", "a3"]
    assert [each.key for each in reader.newest_events(NOW - HOUR, NOW, 10, None)] == ["a1", "b2"]


def test_events_of_one_key_are_all_there() -> None:
    """A key belongs to its publisher, and may be used again when it has been forgotten."""
    deployment = Deployment()
    counts = deployment.process()
    times = [NOW - HOUR * 30, NOW - timedelta(minutes=2), NOW]
    for at in times:
        counts.accepted(at, an_event("a1"), 1)
    deployment.clock.pass_by()
    for reader in (counts, deployment.process()):
        found = reader.newest_events(NOW - HOUR * 48, NOW, 10, None)
        assert [each.at for each in found] == times[::-1]


def test_a_busy_hour_stays_one_small_row() -> None:
    deployment = Deployment()
    counts = deployment.process()
    for number in range(MOST_NEWEST * 5):
        counts.accepted(NOW, an_event(f"k{number}"), 1)
        counts.came(NOW, a_delivery(number), "delivered")
    assert len(deployment.clock.due) == 1
    deployment.clock.pass_by()
    assert len(deployment.process().newest_events(NOW - HOUR, NOW, 1000, None)) == MOST_NEWEST
    assert deployment.process().hours(NOW, NOW)[NOW.replace(minute=0)].accepted == MOST_NEWEST * 5


def test_storage_in_trouble_is_tried_again_and_stops_nobody() -> None:
    account = Account()
    deployment = Deployment(account)
    counts = deployment.process()
    counts.came(NOW, a_delivery(1), "delivered")
    account.breaks(Fault(1, "unavailable", after=False))
    deployment.clock.pass_by()
    assert len(deployment.clock.due) == 1
    deployment.clock.pass_by()
    assert deployment.process().hours(NOW, NOW)[NOW.replace(minute=0)].endpoints[ENDPOINTS[0]]["delivered"] == 1


def test_hours_that_are_over_are_forgotten_once_written() -> None:
    deployment = Deployment()
    counts = deployment.process()
    for hours_ago in range(10, -1, -1):
        counts.came(NOW - HOUR * hours_ago, a_delivery(hours_ago), "delivered")
    deployment.clock.pass_by()
    assert len(counts._hours) == 2
    assert len(counts.hours(NOW - HOUR * 10, NOW)) == 11


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
    assert [each.key for each in reader.newest_events(long_ago, NOW, 10, None)] == ["e0", "e3", "e6"]
    assert len(reader.newest_deliveries(long_ago, NOW, 10)) == 3
    assert deployment.account.calls <= 2 * 10


def test_where_much_happens_no_more_than_needed_is_read() -> None:
    deployment = Deployment()
    counts = deployment.process()
    for hours_ago in range(100):
        counts.accepted(NOW - HOUR * hours_ago, an_event(f"e{hours_ago}"), 1)
    deployment.clock.pass_by()
    deployment.account.breaks(None)
    found = deployment.process().newest_events(NOW - timedelta(days=7), NOW, 3, None)
    assert [each.key for each in found] == ["e0", "e1", "e2"]
    assert deployment.account.calls == 2
