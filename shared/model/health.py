"""How an endpoint fares: how failures count, when to warn, when to disable. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.model.base import Stored


class Health(Stored):
    """How deliveries to an endpoint fare; belongs to one generation of it."""

    generation: int
    first_failure_at: datetime | None = None
    last_success_at: datetime | None = None
    last_error: str | None = None
    exhausted: tuple[str, ...] = ()
    """Ids of the first few distinct deliveries exhausted in this failing time."""
    first_exhausted_at: datetime | None = None
    warned: bool = False
    disabled_at: datetime | None = None
    disabled_reason: str | None = None

    @property
    def state(self) -> Literal["healthy", "failing", "disabled"]:
        if self.disabled_reason is not None:
            return "disabled"
        return "failing" if self.first_failure_at is not None else "healthy"


LEAST_EXHAUSTED = 5
LEAST_SPAN = timedelta(hours=24)


def of_generation(health: Health | None, generation: int) -> Health:
    """What is known of a registration: the health of an earlier one counts as none, that of a later one stands."""
    return health if health is not None and health.generation >= generation else Health(generation=generation)


def note_exhausted(health: Health, delivery: str, at: datetime, error: str, now: datetime) -> Health:
    """Counts a delivery whose last attempt, at `at`, failed, once however often it is told; the first one begins a
    failing time."""
    exhausted = health.exhausted if delivery in health.exhausted else (*health.exhausted, delivery)
    return health.model_copy(
        update={
            "first_failure_at": min(health.first_failure_at or at, at),
            "first_exhausted_at": health.first_exhausted_at or now,
            "exhausted": exhausted[:LEAST_EXHAUSTED],
            "last_error": error,
        }
    )


def note_warned(health: Health) -> Health:
    return health.model_copy(update={"warned": True})


def note_success(health: Health, at: datetime) -> Health:
    """Ends a failing time; a disabled endpoint stays disabled."""
    return health if health.disabled_reason else Health(generation=health.generation, last_success_at=at)


def disable(health: Health, reason: str, at: datetime) -> Health:
    """Stops deliveries until an admin enables the endpoint again; the first reason stands."""
    if health.disabled_reason:
        return health
    return health.model_copy(update={"disabled_reason": reason, "disabled_at": at})


def renew(health: Health) -> Health:
    """The health of an endpoint that an admin has enabled again."""
    return Health(generation=health.generation, last_success_at=health.last_success_at)


@dataclass(frozen=True)
class Fine:
    """Nothing to do."""


@dataclass(frozen=True)
class Warn:
    """Half the time is over: tell those who want to know."""

    reason: str


@dataclass(frozen=True)
class Disable:
    """No success for the whole time, and enough deliveries to judge by."""

    reason: str


def assess_health(health: Health, now: datetime, limit: timedelta) -> Fine | Warn | Disable:
    """What a failing endpoint's health calls for; `limit` is DISABLE_AFTER_HOURS."""
    if health.first_failure_at is None or health.disabled_reason is not None:
        return Fine()
    failing = now - health.first_failure_at
    reason = f"no success since {health.first_failure_at:%Y-%m-%d %H:%M} UTC: {health.last_error}"
    enough = len(health.exhausted) >= LEAST_EXHAUSTED
    if enough and failing >= limit and now - (health.first_exhausted_at or now) >= LEAST_SPAN:
        return Disable(reason)
    if failing >= limit / 2 and not health.warned:
        return Warn(reason)
    return Fine()
