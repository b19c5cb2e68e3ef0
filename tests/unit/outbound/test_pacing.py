"""An endpoint that asks for less is sent less, in its own time, and nobody is forgotten."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.outbound.pacing import FIRST_RETURN_SECONDS, LONGEST_LINE_SECONDS, MOST_IN_MEMORY, SOON_SECONDS, Pacing

TOLD_IN = "docs/operations.md#endpoints-that-ask-for-less"

SECOND = timedelta(seconds=1)


def refused_after(taken: int, seconds: float, hold: timedelta | None = SECOND) -> Pacing:
    """An endpoint that took so many deliveries from second 0 on, and then asked for less."""
    pacing = Pacing()
    for number in range(taken):
        pacing.taken("e", seconds * number / max(taken, 1))
    pacing.refused("e", hold, seconds)
    return pacing


def go(pacing: Pacing, delivery: str, now: float, max_per_second: float | None = None) -> float:
    """Asks as often as it takes, as one that waits in memory; returns when its time was."""
    for _ in range(1000):
        wait = pacing.wait_seconds("e", delivery, now, max_per_second)
        if wait == 0:
            return now
        now += wait
    raise AssertionError("it asked a thousand times")


def times_of(pacing: Pacing, count: int, now: float, max_per_second: float | None = None) -> list[float]:
    """When so many deliveries go that are all there at once, and wait in memory."""
    asks = {f"d{number}": now for number in range(count)}
    times = []
    while asks:
        delivery = min(asks, key=asks.__getitem__)
        wait = pacing.wait_seconds("e", delivery, asks[delivery], max_per_second)
        if wait == 0:
            times.append(asks.pop(delivery))
        else:
            asks[delivery] += wait
    return times


def test_an_endpoint_that_never_asked_for_less_is_not_paced() -> None:
    pacing = Pacing()
    assert pacing.wait_seconds("e", "a", 0) == 0
    pacing.taken("e", 1)
    assert pacing.wait_seconds("e", "b", 1) == 0
    assert pacing.begin("e", 1) == 0


@pytest.mark.parametrize(("hold", "seconds"), [(None, 1), (timedelta(), 1), (timedelta(seconds=40), 40)])
def test_it_is_left_alone_for_as_long_as_it_asks(hold: timedelta | None, seconds: float) -> None:
    pacing = refused_after(4, 10, hold)
    assert go(pacing, "a", 10.1) == pytest.approx(10 + seconds)


def test_a_longer_hold_replaces_a_shorter_one_and_not_the_reverse() -> None:
    pacing = refused_after(1, 5, timedelta(seconds=20))
    pacing.refused("e", SECOND, 6)
    assert go(pacing, "a", 6) == pytest.approx(25)
    pacing = refused_after(1, 5, SECOND)
    pacing.refused("e", timedelta(seconds=20), 5.5)
    assert go(pacing, "a", 5.6) == pytest.approx(25.5)


def test_after_the_hold_they_go_one_by_one_at_the_pace_at_which_it_took_them() -> None:
    times = times_of(refused_after(4, 0.2), 9, 0.25)
    assert times[0] == pytest.approx(1.2)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([(0.2 + 1) / 4] * 8)


def test_the_pace_quickens_while_all_are_taken_until_there_is_none() -> None:
    pacing, now = refused_after(1, 0.1), 0.2
    gaps = []
    for number in range(200):
        later = go(pacing, f"d{number}", now)
        gaps.append(later - now)
        now = later
        pacing.taken("e", now)
    assert gaps[2:] == sorted(gaps[2:], reverse=True)
    assert gaps[-1] == 0
    assert now < 20


def test_near_the_pace_that_was_refused_it_stays_for_a_while() -> None:
    """A receiver of one a second: few are refused, and it is hardly slower than it could be."""
    pacing, now, last, refused, taken = Pacing(), 0.0, -10.0, 0, 0
    while taken < 300:
        now = go(pacing, f"d{refused + taken}", now)
        if now - last < 1:
            pacing.refused("e", SECOND, now)
            refused += 1
        else:
            pacing.taken("e", now)
            last = now
            taken += 1
    assert refused <= 300 * 0.08
    assert now <= 300 * 1.15


def test_those_in_flight_when_it_asked_say_nothing_of_the_pace() -> None:
    pacing = refused_after(4, 0.2)
    pace = pacing._endpoints["e"].pace
    gap = pace.gap
    for number in range(5):
        pacing.refused("e", SECOND, 0.2 + number / 100)
        pacing.taken("e", 0.2 + number / 100)
    assert pace.gap == gap


def test_one_that_takes_one_and_then_asks_for_ten_seconds_has_one_in_about_ten() -> None:
    pacing, now, last = Pacing(), 0.0, -20.0
    taken: list[float] = []
    posts = 0
    while len(taken) < 20:
        now = go(pacing, f"d{posts}", now)
        posts += 1
        if now - last < 10:
            pacing.refused("e", timedelta(seconds=10), now)
        else:
            pacing.taken("e", now)
            last = now
            taken.append(now)
    assert (taken[-1] - taken[0]) / 19 <= 11.1
    assert posts <= 23


@pytest.mark.parametrize("answer_time", [0.0, 0.3])
@pytest.mark.parametrize("per_second", [0.5, 3.0, 20.0])
def test_the_registered_pace_holds_from_the_first_delivery_on(per_second: float, answer_time: float) -> None:
    pacing = Pacing()
    times = times_of(pacing, 50, 7.0, per_second)
    assert times[0] == 7.0
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1 / per_second - 1e-9
    assert times[-1] <= 7.0 + 50 / per_second + 1
    for at in times:
        pacing.taken("e", at + answer_time)
    assert go(pacing, "next", times[-1], per_second) >= times[-1] + 1 / per_second - 1e-9, "taken or not"


def test_one_that_was_held_up_after_its_time_keeps_its_distance() -> None:
    """Several wait for a slot, and have one at the same moment."""
    pacing = Pacing()
    for delivery in "abc":
        go(pacing, delivery, 0.0, 4.0)
    assert [pacing.begin("e", 5.0) for _ in range(3)] == pytest.approx([0, 0.25, 0.5])
    assert pacing.begin("e", 9.0) == 0


def test_a_registered_pace_that_is_taken_away_holds_nobody() -> None:
    pacing = Pacing()
    waits = [pacing.wait_seconds("e", f"d{number}", 0, 1.0) for number in range(10)]
    assert max(waits) > 3
    assert pacing.wait_seconds("e", "d9", 1, None) == 0
    assert not pacing._endpoints["e"].places


def test_those_that_come_late_do_not_go_together() -> None:
    pacing = Pacing()
    for number in range(10):
        pacing.wait_seconds("e", f"d{number}", 0.0, 2.0)
    times = times_of(pacing, 10, 30.0, 2.0)
    assert times == pytest.approx([30 + number / 2 for number in range(10)])


def test_a_time_that_was_given_is_void_when_the_endpoint_asks_for_less() -> None:
    pacing = Pacing()
    go(pacing, "a", 0.0, 5.0)
    assert pacing.wait_seconds("e", "b", 0.0, 5.0) == pytest.approx(0.2)
    pacing.refused("e", SECOND, 0.1)
    assert 1.1 <= go(pacing, "b", 0.2, 5.0) <= 1.4


def test_those_who_wait_in_memory_are_few_and_others_go_back_for_longer_each_time() -> None:
    pacing = Pacing()
    for number in range(3):
        go(pacing, f"d{number}", 0.0, 1.0)
    assert pacing.wait_seconds("e", "near", 0.0, 1.0) <= SOON_SECONDS
    pacing.waiting = MOST_IN_MEMORY
    waits = [pacing.wait_seconds("e", "near", 0.0, 1.0, deferrals) for deferrals in range(10)]
    assert waits[0] > SOON_SECONDS
    assert waits == sorted(waits)
    assert waits[-1] == SOON_SECONDS + 32


def test_a_place_far_ahead_is_kept_though_the_delivery_comes_back_before() -> None:
    pacing = Pacing()
    early = [pacing.wait_seconds("e", f"d{number}", 0.0, 1.0) for number in range(400)]
    assert max(early) <= FIRST_RETURN_SECONDS
    waits, now, returns = early[300], 0.0, 0
    while waits > SOON_SECONDS:
        now, returns = now + waits - 2, returns + 1  # a little early
        waits = pacing.wait_seconds("e", "d300", now, 1.0, returns)
    assert go(pacing, "d300", now, 1.0) == pytest.approx(300, abs=1)
    assert returns <= 5


def test_whoever_is_beyond_the_line_has_no_place_and_asks_again() -> None:
    pacing = Pacing()
    for number in range(5000):
        wait = pacing.wait_seconds("e", f"d{number}", 0.0, 1.0, deferrals=3)
        assert wait <= 8 * FIRST_RETURN_SECONDS
    assert len(pacing._endpoints["e"].places) <= LONGEST_LINE_SECONDS + 2


def test_an_endpoint_keeps_taking_for_as_long_as_it_last_took_one() -> None:
    pacing = Pacing()
    assert not pacing.keeps_taking("e", 100, timedelta(minutes=15))
    pacing.taken("e", 100)
    pacing.refused("e", SECOND, 101)
    assert pacing.keeps_taking("e", 1000, timedelta(minutes=15))
    assert not pacing.keeps_taking("e", 1001, timedelta(minutes=15))
    assert not pacing.keeps_taking("other", 101, timedelta(minutes=15))


def test_those_in_memory_are_counted_even_when_one_is_cut_off() -> None:
    pacing = Pacing()

    def cut_off() -> None:
        with pacing.in_memory(), pacing.in_memory():
            assert pacing.waiting == 2
            raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        cut_off()
    assert pacing.waiting == 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "taken", "refused", "lost"]),
        st.sampled_from([0.0, 0.01, 0.3, 2.0, 100.0]),
        st.sampled_from([None, 0.0, 1.0, 7.0, 60.0]),
        st.sampled_from([None, None, 0.3, 10.0]),
    ),
    max_size=200,
)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_whatever_happens_waits_are_bounded_and_places_of_the_lost_are_forgotten(
    steps: list[tuple[str, float, float | None, float | None]],
) -> None:
    pacing, now, waiting = Pacing(), 0.0, 0
    rate: float | None = None
    for number, (step, seconds, hold, rate) in enumerate(steps):
        now += seconds
        if step == "taken":
            pacing.taken("e", now)
        elif step == "refused":
            pacing.refused("e", None if hold is None else timedelta(seconds=hold), now)
        elif step == "ask":
            wait = pacing.wait_seconds("e", f"waits-{waiting}", now, rate, waiting % 3)
            assert 0 <= wait <= 60 + 4 * FIRST_RETURN_SECONDS
            waiting += wait == 0
        else:
            assert pacing.wait_seconds("e", f"lost-{number}", now, rate) >= 0
    for _ in range(3):
        now += LONGEST_LINE_SECONDS + 200
        went = go(pacing, "another", now, rate)
        assert went - now <= 60, "the line has moved on"
        now = went
    state = pacing._endpoints.get("e")
    assert state is None or len(state.places) <= 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.0, 2.0), min_size=50, max_size=200), st.sampled_from([0.5, 2.0, 30.0]))
def test_attempts_are_never_closer_than_the_registered_pace(pauses: list[float], per_second: float) -> None:
    pacing, now = Pacing(), 0.0
    began = []
    for number, pause in enumerate(pauses):
        now += pause / per_second
        go(pacing, f"d{number}", now, per_second)
        began.append(now + pacing.begin("e", now))
    began.sort()
    assert min(later - earlier for earlier, later in pairwise(began)) >= 1 / per_second - 1e-6
