from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from local.host.backoff import SHORTEST, Backoff


def test_schedule_without_jitter() -> None:
    backoff = Backoff(timedelta(seconds=2), lambda: 1.0)
    delays = [backoff.next_delay() / timedelta(milliseconds=1) for _ in range(8)]
    assert delays == [100, 200, 300, 500, 900, 1700, 2000, 2000]
    backoff.reset()
    assert backoff.next_delay() == SHORTEST


@given(
    st.timedeltas(min_value=SHORTEST, max_value=timedelta(minutes=5)),
    st.lists(st.floats(0.8, 1.2), min_size=30, max_size=30),
)
def test_delays_stay_within_their_bounds_and_end_at_the_longest(longest: timedelta, factors: list[float]) -> None:
    jitter = iter(factors)
    backoff = Backoff(longest, lambda: next(jitter))
    delays = [backoff.next_delay() for _ in range(30)]
    assert delays[0] == min(SHORTEST, longest)
    assert all(SHORTEST <= delay <= longest for delay in delays)
    assert delays == sorted(delays)
    assert delays[-1] == longest
