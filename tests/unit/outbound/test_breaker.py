"""An endpoint that fails delivery after delivery is asked only now and then."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import NOW
from shared.outbound.breaker import OPENS_AFTER, PROBE_EVERY, Breaker


def opened() -> Breaker:
    breaker = Breaker()
    assert [breaker.note("e", f"delivery-{number}", False, NOW) for number in range(OPENS_AFTER)][-1]
    return breaker


def test_it_opens_after_failures_of_five_distinct_deliveries_in_a_row() -> None:
    breaker = Breaker()
    for number in range(OPENS_AFTER - 1):
        for _ in range(3):
            assert not breaker.note("e", f"delivery-{number}", False, NOW)
            assert breaker.hold("e", NOW) is None
    assert breaker.note("e", "the fifth", False, NOW)
    assert breaker.hold("e", NOW) == PROBE_EVERY


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker()
    for number in range(OPENS_AFTER - 1):
        breaker.note("e", f"delivery-{number}", False, NOW)
    breaker.note("e", "delivery-x", True, NOW)
    assert not breaker.note("e", "delivery-y", False, NOW)
    assert breaker.hold("e", NOW) is None


def test_while_open_one_probe_a_minute_goes_through_and_others_wait_for_the_next() -> None:
    breaker = opened()
    assert breaker.hold("e", NOW + timedelta(seconds=20)) == timedelta(seconds=40)
    later = NOW + PROBE_EVERY
    assert breaker.hold("e", later) is None
    assert breaker.hold("e", later) == PROBE_EVERY
    assert breaker.hold("e", later + PROBE_EVERY) is None


@pytest.mark.parametrize("succeeded", [True, False])
def test_the_probe_decides(succeeded: bool) -> None:
    breaker = opened()
    later = NOW + PROBE_EVERY
    assert breaker.hold("e", later) is None
    assert not breaker.note("e", "delivery-1", succeeded, later)
    assert (breaker.hold("e", later) is None) is succeeded


def test_each_endpoint_has_a_breaker_of_its_own() -> None:
    assert opened().hold("another", NOW) is None


def test_of_many_at_once_one_is_the_probe() -> None:
    breaker, start = opened(), threading.Barrier(8)

    def ask(_: int) -> bool:
        start.wait()
        return breaker.hold("e", NOW + PROBE_EVERY) is None

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))).count(True) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.sampled_from("abcdefgh"), st.booleans() | st.just(False)),
        st.tuples(st.just("hold"), st.floats(0, 150), st.none()),
    ),
    max_size=120,
)


@given(STEPS)
def test_a_closed_breaker_never_holds_and_an_open_one_lets_at_most_one_through_a_minute(
    steps: list[tuple[str, Any, Any]],
) -> None:
    """Against what the design says in words: a set of failed deliveries since the last success, and a clock."""
    breaker, now = Breaker(), NOW
    failed: set[str] = set()
    quiet_since: datetime | None = None  # when it opened, or let the last probe through
    for step, given_, succeeded in steps:
        if step == "note":
            opens = quiet_since is None and not succeeded and len(failed | {given_}) == OPENS_AFTER
            assert breaker.note("e", given_, succeeded, now) is opens
            failed = set() if succeeded else failed | {given_}
            quiet_since = None if succeeded else now if opens else quiet_since
            continue
        now += timedelta(seconds=given_)
        hold = breaker.hold("e", now)
        if quiet_since is None:
            assert hold is None
        elif hold is None:
            assert now - quiet_since >= PROBE_EVERY
            quiet_since = now
        else:
            assert hold == quiet_since + PROBE_EVERY - now
            assert timedelta() < hold <= PROBE_EVERY


def test_a_clock_that_is_set_back_holds_nothing_for_longer_than_a_minute() -> None:
    breaker = Breaker()
    for number in range(OPENS_AFTER):
        breaker.note("e", str(number), False, NOW)
    earlier = NOW - timedelta(hours=1)
    assert breaker.hold("e", earlier) is None
    assert breaker.hold("e", earlier) == PROBE_EVERY
