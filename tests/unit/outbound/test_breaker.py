"""An endpoint that fails delivery after delivery is asked only now and then."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.outbound.breaker import (
    LATER_PROBE_DEADLINE,
    OPENS_AFTER,
    OUTCOME_SECONDS,
    PROBE_DEADLINE,
    PROBE_FACTORS,
    RETURNS_A_SECOND,
    Breaker,
)
from shared.outbound.client import DEADLINE

TOLD_IN = "docs/operations.md#endpoints-that-fail-or-hang"

EVERY = 60.0
OPENED_AT = 1000.0
PROBE_SECONDS = PROBE_DEADLINE.total_seconds() + OUTCOME_SECONDS
LATER_PROBE_SECONDS = LATER_PROBE_DEADLINE.total_seconds() + OUTCOME_SECONDS


def closed() -> Breaker:
    return Breaker(timedelta(seconds=EVERY))


def opened(now: float = OPENED_AT) -> Breaker:
    breaker = closed()
    assert [breaker.record("e", f"failed-{number}", False, now) for number in range(OPENS_AFTER)][-1]
    return breaker


def test_it_opens_after_failures_of_five_distinct_deliveries_in_a_row() -> None:
    breaker = closed()
    for number in range(OPENS_AFTER - 1):
        for _ in range(3):
            assert not breaker.record("e", f"delivery-{number}", False, 0)
            assert breaker.wait_seconds("e", "another", 0) == 0
            assert not breaker.begin("e", "another", 0)
    assert not breaker.is_open("e")
    assert breaker.record("e", "the fifth", False, 0)
    assert breaker.is_open("e")
    assert breaker.wait_seconds("e", "another", 0) == EVERY


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = closed()
    for number in range(OPENS_AFTER - 1):
        breaker.record("e", f"delivery-{number}", False, 0)
    breaker.record("e", "delivery-x", True, 0)
    assert not breaker.record("e", "delivery-y", False, 0)
    assert breaker.wait_seconds("e", "another", 0) == 0


def test_each_endpoint_has_a_breaker_of_its_own() -> None:
    breaker = opened()
    assert breaker.wait_seconds("another", "delivery", OPENED_AT) == 0
    assert not breaker.is_open("another")


def test_one_comes_back_for_the_probe_and_all_others_when_its_outcome_is_known() -> None:
    breaker, now = opened(), OPENED_AT + 20
    assert breaker.wait_seconds("e", "first", now) == 40
    others = [breaker.wait_seconds("e", f"other-{number}", now) - 40 - PROBE_SECONDS for number in range(20)]
    assert others == pytest.approx([number / RETURNS_A_SECOND for number in range(20)]), "not at once"
    assert breaker.wait_seconds("e", "first", now + 10) == 30, "the same one comes first when it asks again"


def test_however_many_wait_the_last_comes_back_soon() -> None:
    breaker = opened()
    breaker.wait_seconds("e", "first", OPENED_AT)
    waits = [
        breaker.wait_seconds("e", f"other-{number}", OPENED_AT) for number in range(3 * round(EVERY * RETURNS_A_SECOND))
    ]
    returns = Counter(int(wait - EVERY - PROBE_SECONDS + 1e-6) for wait in waits)
    assert max(waits) < EVERY + PROBE_SECONDS + EVERY
    assert max(returns.values()) == len(waits) / EVERY, "as evenly as can be"


def test_who_comes_back_before_a_late_probe_has_ended_goes_to_no_end_of_a_line() -> None:
    breaker = opened()
    for number in range(2000):
        breaker.wait_seconds("e", f"delivery-{number}", OPENED_AT)
    probed_at = OPENED_AT + EVERY + 3
    assert breaker.wait_seconds("e", "delivery-0", probed_at) == 0
    breaker.begin("e", "delivery-0", probed_at)
    assert breaker.wait_seconds("e", "delivery-1", probed_at + PROBE_SECONDS - 3) == 3


def test_others_wait_while_the_probe_is_under_way() -> None:
    breaker, due = opened(), OPENED_AT + EVERY
    assert breaker.wait_seconds("e", "first", due) == 0
    assert breaker.wait_seconds("e", "first", due) == 0, "it may ask again before it begins"
    assert breaker.wait_seconds("e", "other", due + 1) >= PROBE_SECONDS - 1
    assert breaker.begin("e", "first", due + 3)
    assert breaker.wait_seconds("e", "other", due + 4) >= PROBE_SECONDS - 1, "counted from its beginning"


def test_probes_come_after_1_2_4_8_and_15_minutes_and_so_on() -> None:
    breaker, now = opened(), OPENED_AT
    for factor in (*PROBE_FACTORS, PROBE_FACTORS[-1], PROBE_FACTORS[-1]):
        assert breaker.wait_seconds("e", "probe", now) == factor * EVERY
        assert breaker.wait_seconds("e", "probe", now + factor * EVERY - 0.1) == pytest.approx(0.1)
        now += factor * EVERY
        assert breaker.wait_seconds("e", "probe", now) == 0
        deadline = breaker.begin("e", "probe", now)
        assert deadline is not None
        now += deadline.total_seconds()
        assert not breaker.record("e", "probe", False, now)
    assert PROBE_FACTORS == (1, 2, 4, 8, 15)


def test_later_probes_have_as_long_as_any_attempt() -> None:
    """An endpoint that needs more than ten seconds failed all of them, and was never well again."""
    breaker, now = opened(), OPENED_AT + EVERY
    assert breaker.wait_seconds("e", "probe", now) == 0
    assert breaker.begin("e", "probe", now) == PROBE_DEADLINE < DEADLINE
    breaker.record("e", "probe", False, now)
    now += PROBE_FACTORS[1] * EVERY
    assert breaker.wait_seconds("e", "probe", now) == 0
    assert breaker.wait_seconds("e", "other", now) >= LATER_PROBE_SECONDS
    assert breaker.begin("e", "probe", now) == LATER_PROBE_DEADLINE == DEADLINE
    assert breaker.wait_seconds("e", "other", now + 30) > 0, "its outcome may not be known yet"


def test_a_probe_that_succeeds_closes_it_and_all_is_forgotten() -> None:
    breaker, due = opened(), OPENED_AT + EVERY
    assert breaker.wait_seconds("e", "first", due) == 0
    breaker.begin("e", "first", due)
    breaker.record("e", "first", True, due + 1)
    assert breaker.wait_seconds("e", "other", due + 1) == 0
    assert not breaker.begin("e", "other", due + 1)
    assert not breaker._endpoints


def test_a_probe_that_never_ends_is_followed_by_another() -> None:
    """Its instance was stopped, or it found no slot and was put back."""
    breaker, due = opened(), OPENED_AT + EVERY
    assert breaker.wait_seconds("e", "lost", due) == 0
    breaker.begin("e", "lost", due)
    assert breaker.wait_seconds("e", "other", due + PROBE_SECONDS - 0.1) > 0
    assert breaker.wait_seconds("e", "other", due + PROBE_SECONDS) == 0
    assert breaker.wait_seconds("e", "lost", due + PROBE_SECONDS) > 0


def test_an_attempt_that_began_before_it_opened_is_no_probe() -> None:
    breaker = opened()
    for number in range(20):
        assert not breaker.record("e", f"in flight-{number}", False, OPENED_AT + 25)
    assert breaker.wait_seconds("e", "first", OPENED_AT + 25) == EVERY - 25
    breaker.record("e", "in flight-x", True, OPENED_AT + 26)
    assert breaker.wait_seconds("e", "first", OPENED_AT + 26) == 0, "a success closes it, whosever it is"


def test_the_only_attempt_of_an_overdue_delivery_has_ten_seconds_and_moves_no_probe() -> None:
    breaker, now = opened(), OPENED_AT + 5
    assert breaker.wait_seconds("e", "overdue", now) == 55
    assert breaker.begin("e", "overdue", now) == timedelta(seconds=10)
    assert not breaker.record("e", "overdue", False, now + 10)
    assert breaker.wait_seconds("e", "overdue", now + 10) == 45
    assert breaker.wait_seconds("e", "other", OPENED_AT + EVERY) == 0


def test_of_many_threads_at_once_one_has_the_probe() -> None:
    breaker, start = opened(), threading.Barrier(8)

    def ask(number: int) -> bool:
        start.wait()
        return breaker.wait_seconds("e", f"delivery-{number}", OPENED_AT + EVERY) == 0

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))).count(True) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "end", "end", "pass", "lose"]),
        st.sampled_from("abcdefgh"),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([0.0, 0.5, 3.0, 30.0, 61.0, 1000.0]),
    ),
    max_size=150,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_two_probes_never_run_at_once_and_a_closed_breaker_never_holds(
    steps: list[tuple[str, str, bool, float]],
) -> None:
    """Deliveries ask, begin at once or never, and end within their deadline; the model knows who failed in a row."""
    breaker, now = closed(), 0.0
    failed: set[str] = set()
    is_open = False
    running: dict[str, tuple[float, timedelta | None]] = {}
    for step, delivery, succeeds, seconds in steps:
        if step == "pass":
            now += seconds
        elif step == "ask" and delivery not in running:
            wait = breaker.wait_seconds("e", delivery, now)
            assert 0 <= wait <= EVERY * PROBE_FACTORS[-1] * 2 + LATER_PROBE_SECONDS
            assert is_open or wait == 0
            if wait == 0:
                deadline = breaker.begin("e", delivery, now)
                assert (deadline is not None) is is_open
                running[delivery] = (now, deadline)
        elif step == "lose":
            running.pop(delivery, None)
        elif step == "end" and delivery in running:
            began, _ = running.pop(delivery)
            now = max(now, began)
            just_opened = breaker.record("e", delivery, succeeds, now)
            failed = set() if succeeds or is_open else failed | {delivery}
            assert just_opened is (len(failed) == OPENS_AFTER)
            is_open = not succeeds and (is_open or just_opened)
            failed = set() if just_opened else failed
        for late in [one for one, (began, most) in running.items() if most and now - began > most.total_seconds()]:
            del running[late]  # cut off at its deadline, and never heard of: a crash
        assert breaker.is_open("e") is is_open
        assert not is_open or sum(most is not None for _, most in running.values()) <= 1
