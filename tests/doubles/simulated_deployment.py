"""What simulated deployments of one capability have in common: an account in memory, and what was published on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from doubles import registering
from doubles.storage_account import Account, Crash
from shared.app import App
from shared.model import Event
from shared.storage.events import read_event_row
from shared.storage.messages import decode
from shared.storage.queues import DELIVERIES

URL = "https://receiver.example/hook"


@dataclass(kw_only=True)
class SimulatedDeployment:
    """With one endpoint, which asks for everything."""

    account: Account = field(default_factory=Account)
    settings: dict[str, str] = field(default_factory=dict)
    now: datetime

    def __post_init__(self) -> None:
        self.app = self.instance()
        if not self.account.tables:
            registering.register(self.app.endpoints, URL, self.now)
            self.account.writes.clear()

    def instance(self) -> App:
        """Another process of the same deployment."""
        raise NotImplementedError

    def events(self) -> list[Event]:
        """All that were ever published, in order of their keys."""
        rows = [
            read_event_row(entity).event
            for name, table in self.account.tables.items()
            if name.startswith("events")
            for entity, _ in table.values()
        ]
        return sorted(rows, key=lambda event: event.key)

    def queued(self) -> set[str]:
        """The keys of the events that are on their way."""
        return {decode(message.text.encode()).key for message in self.account.queues.get(DELIVERIES, [])}


def steps_in(account: Account, work: Callable[[], object]) -> int:
    """How many steps the work takes: calls to the account, and to whatever else is counted with them."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    account.step = step
    work()
    return count


def counted(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """Acts at this step, counted from 0, once."""
    seen = 0

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen == number + 1:
            act()

    return step


def kill() -> None:
    raise Crash
