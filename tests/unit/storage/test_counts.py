"""Counts: what is added in memory is what is read, whichever process it was, and storage in trouble stops nobody."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from doubles.processes import ENDPOINTS, Deployment, a_delivery, an_event
from doubles.storage_account import Account, Fault
from shared.storage.counts import HOUR, MOST_NEWEST, Outcome

NOW = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)
OUTCOMES: list[Outcome] = ["delivered", "failedAttempts", "exhausted", "cancelled"]


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


def test_a_busy_hour_stays_one_small_row() -> None:
    deployment = Deployment()
    counts = deployment.process()
    for number in range(MOST_NEWEST * 5):
        counts.accepted(NOW, an_event(f"k{number}"), 1)
        counts.came(NOW, a_delivery(number), "delivered")
    assert len(deployment.clock.due) == 1
    deployment.clock.pass_by()
    assert len(deployment.process().noted(NOW, NOW, lambda hour: hour.events)) == MOST_NEWEST
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
