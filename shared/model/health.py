"""How an endpoint fares: how failures count, when to warn, when to disable."""

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


def judge(health: Health, now: datetime, limit: timedelta) -> Fine | Warn | Disable:
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
