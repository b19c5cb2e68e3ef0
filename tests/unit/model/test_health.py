"""When an endpoint that keeps failing is warned of, and when it is disabled."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import NOW
from shared.model import Health
from shared.model.health import LEAST_EXHAUSTED, LEAST_SPAN, Disable, Fine, Warn, judge

LIMIT = timedelta(hours=120)


def failing(hours: float, exhausted: int = LEAST_EXHAUSTED, exhausted_hours: float = 100, **more: Any) -> Health:
    return Health(
        generation=1,
        first_failure_at=NOW - timedelta(hours=hours),
        first_exhausted_at=NOW - timedelta(hours=min(hours, exhausted_hours)),
        exhausted=tuple(f"delivery-{number}" for number in range(exhausted)),
        last_error="timed out",
        **more,
    )


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (Health(generation=1), Fine),
        (failing(59.9), Fine),
        (failing(60), Warn),
        (failing(60, warned=True), Fine),
        (failing(119.9, warned=True), Fine),
        (failing(120), Disable),
        (failing(120, warned=True), Disable),
        (failing(120, exhausted=4, warned=True), Fine),
        (failing(120, exhausted=4), Warn),
        (failing(120, exhausted_hours=23.9, warned=True), Fine),
        (failing(120, exhausted_hours=23.9), Warn),
        (failing(120, exhausted_hours=24, warned=True), Disable),
        (failing(10_000, exhausted=0, warned=True), Fine),
        (failing(1000, disabled_reason="410"), Fine),
    ],
)
def test_a_warning_at_half_the_time_and_the_end_after_all_of_it(health: Health, expected: type) -> None:
    assert type(judge(health, NOW, LIMIT)) is expected


def test_the_reason_says_since_when_and_what() -> None:
    verdict = judge(failing(120), NOW, LIMIT)
    assert verdict == Disable("no success since 2026-11-17 10:00 UTC: timed out")


@given(st.floats(0, 2000), st.integers(0, 10), st.floats(0, 2000), st.booleans(), st.integers(1, 500))
def test_nobody_is_disabled_before_time_number_and_span_are_all_reached(
    hours: float, exhausted: int, exhausted_hours: float, warned: bool, limit_hours: int
) -> None:
    health = failing(hours, exhausted, exhausted_hours, warned=warned)
    verdict = judge(health, NOW, timedelta(hours=limit_hours))
    first: datetime | None = health.first_failure_at
    assert first is not None
    reached = NOW - first >= timedelta(hours=limit_hours) and len(health.exhausted) >= LEAST_EXHAUSTED
    span = health.first_exhausted_at is not None and NOW - health.first_exhausted_at >= LEAST_SPAN
    assert isinstance(verdict, Disable) is (reached and span)


def test_with_a_limit_below_a_day_the_span_of_a_day_still_holds() -> None:
    limit = timedelta(hours=1)
    assert isinstance(judge(failing(0.5), NOW, limit), Warn)
    assert judge(failing(23.9, warned=True), NOW, limit) == Fine()
    assert isinstance(judge(failing(24, warned=True), NOW, limit), Disable)


def test_without_a_known_first_exhausted_delivery_nobody_is_disabled() -> None:
    health = failing(120, warned=True).model_copy(update={"first_exhausted_at": None})
    assert judge(health, NOW, LIMIT) == Fine()


def test_the_warning_gives_the_same_reason() -> None:
    assert judge(failing(60), NOW, LIMIT) == Warn("no success since 2026-11-19 22:00 UTC: timed out")
