"""When an endpoint that keeps failing is warned of, and when it is disabled."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import NOW
from shared.model import Health
from shared.model.health import (
    LEAST_EXHAUSTED,
    LEAST_SPAN,
    Disable,
    Fine,
    Warn,
    assess_health,
    disable,
    note_exhausted,
    note_success,
    note_warned,
    of_generation,
    renew,
)

TOLD_IN = "docs/operations.md#disabling"

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
    assert type(assess_health(health, NOW, LIMIT)) is expected


def test_the_reason_says_since_when_and_what() -> None:
    verdict = assess_health(failing(120), NOW, LIMIT)
    assert verdict == Disable("no success since 2026-11-17 10:00 UTC: timed out")


@given(st.floats(0, 2000), st.integers(0, 10), st.floats(0, 2000), st.booleans(), st.integers(1, 500))
def test_nobody_is_disabled_before_time_number_and_span_are_all_reached(
    hours: float, exhausted: int, exhausted_hours: float, warned: bool, limit_hours: int
) -> None:
    health = failing(hours, exhausted, exhausted_hours, warned=warned)
    verdict = assess_health(health, NOW, timedelta(hours=limit_hours))
    first: datetime | None = health.first_failure_at
    assert first is not None
    reached = NOW - first >= timedelta(hours=limit_hours) and len(health.exhausted) >= LEAST_EXHAUSTED
    span = health.first_exhausted_at is not None and NOW - health.first_exhausted_at >= LEAST_SPAN
    assert isinstance(verdict, Disable) is (reached and span)


def test_with_a_limit_below_a_day_the_span_of_a_day_still_holds() -> None:
    limit = timedelta(hours=1)
    assert isinstance(assess_health(failing(0.5), NOW, limit), Warn)
    assert assess_health(failing(23.9, warned=True), NOW, limit) == Fine()
    assert isinstance(assess_health(failing(24, warned=True), NOW, limit), Disable)


def test_without_a_known_first_exhausted_delivery_nobody_is_disabled() -> None:
    health = failing(120, warned=True).model_copy(update={"first_exhausted_at": None})
    assert assess_health(health, NOW, LIMIT) == Fine()


def test_the_warning_gives_the_same_reason() -> None:
    assert assess_health(failing(60), NOW, LIMIT) == Warn("no success since 2026-11-19 22:00 UTC: timed out")


LATER = NOW + timedelta(hours=1)


def test_a_failing_time_begins_with_its_earliest_failure_and_a_success_ends_it() -> None:
    health = note_exhausted(Health(generation=1), "delivery-1", NOW, "timed out", LATER)
    assert (health.first_failure_at, health.first_exhausted_at, health.exhausted) == (NOW, LATER, ("delivery-1",))
    health = note_exhausted(note_warned(health), "delivery-2", LATER, "connection refused", LATER)
    assert (health.first_failure_at, health.last_error, health.state) == (NOW, "connection refused", "failing")
    earlier = NOW - timedelta(hours=1)
    assert note_exhausted(health, "delivery-0", earlier, "timed out", LATER).first_failure_at == earlier
    assert note_success(health, LATER) == Health(generation=1, last_success_at=LATER)


def test_exhausted_deliveries_are_counted_once_each_up_to_a_limit() -> None:
    health = Health(generation=1)
    for name in ("1", "2", "1", "3", "4", "5", "6", "6"):
        health = note_exhausted(health, name, NOW, "timed out", NOW)
    assert health.exhausted == ("1", "2", "3", "4", "5")
    assert note_exhausted(health, "1", NOW, "timed out", NOW) == health


def test_a_disabled_endpoint_stays_disabled_for_its_first_reason() -> None:
    disabled = disable(failing(10), "410 Gone", NOW)
    assert (disabled.state, disabled.disabled_reason, disabled.disabled_at) == ("disabled", "410 Gone", NOW)
    assert disable(disabled, "no success", LATER) == disabled
    assert note_success(disabled, LATER) == disabled


def test_an_endpoint_that_is_enabled_again_begins_anew() -> None:
    disabled = disable(failing(10, last_success_at=NOW), "410 Gone", NOW)
    assert renew(disabled) == Health(generation=1, last_success_at=NOW)


def test_health_belongs_to_one_registration() -> None:
    assert of_generation(None, 2) == Health(generation=2)
    assert of_generation(failing(10), 2) == Health(generation=2)
    assert of_generation(failing(10), 1) == failing(10)
    later = Health(generation=3, warned=True)
    assert of_generation(later, 2) == later
