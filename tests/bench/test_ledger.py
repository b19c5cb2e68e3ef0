"""The ledger finds what is lost, whatever came how often."""

from hypothesis import given
from hypothesis import strategies as st

from bench.ledger import Delivery, balance

deliveries = st.sets(st.tuples(st.sampled_from("abc"), st.text("xyz", min_size=1, max_size=3)))


@given(deliveries, deliveries, deliveries, st.integers(1, 3))
def test_what_is_somewhere_reconciles(
    arrived: set[Delivery], failed: set[Delivery], queued: set[Delivery], times: int
) -> None:
    accepted = arrived | failed | queued
    found = balance(accepted, [*arrived] * times, failed, queued)
    assert found.faults == []
    assert found.delivered + found.failed + found.queued == found.accepted == len(accepted)
    assert found.repeated == len(arrived) * (times - 1)


@given(deliveries, st.data())
def test_what_is_nowhere_is_found(accepted: set[Delivery], data: st.DataObject) -> None:
    arrived = data.draw(st.sets(st.sampled_from(sorted(accepted)))) if accepted else set()
    found = balance(accepted, arrived)
    assert found.lost == accepted - arrived
    assert bool(found.faults) == bool(accepted - arrived)


@given(deliveries, deliveries, deliveries)
def test_what_nobody_published_is_found(accepted: set[Delivery], others: set[Delivery], perhaps: set[Delivery]) -> None:
    found = balance(accepted, accepted | others, perhaps=perhaps)
    assert found.unknown == others - accepted - perhaps
