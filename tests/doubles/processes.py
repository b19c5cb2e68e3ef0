"""Processes that count on one storage account in memory, and write when a test wants it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from doubles.storage_account import Account, Services
from shared.model import DeliveryId, Event
from shared.storage.counts import Counts

ENDPOINTS = ["A" * 26, "B" * 26]


@dataclass
class Clock:
    """What was to be done later, to be done when the test wants it."""

    due: list[Callable[[], None]] = field(default_factory=list)

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self.due.append(work)

    def pass_by(self) -> None:
        due, self.due = self.due, []
        for work in due:
            work()


class Deployment:
    """Processes on one storage account."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account or Account()
        self.clock = Clock()

    def process(self) -> Counts:
        return Counts(cast(Any, Services(self.account)), self.clock.later)


def an_event(key: str) -> Event:
    return Event(type=f"custom.{key[0]}", content="{}", time_stamp="2026-11-26T10:00:00Z", key=key, severity="low")


def a_delivery(number: int, endpoint: str = ENDPOINTS[0]) -> DeliveryId:
    return DeliveryId(number, "E" * 26, endpoint)
