"""A small world of two queues, tables and receivers, in which every call is a point where something may break."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

from doubles.storage_account import Account, Crash, Services
from shared.model import Delivery, DeliveryId, Endpoint, Health, endpoint_id, to_ms
from shared.storage.alerts import Alerts, Malformed
from shared.storage.clients import StorageUnavailable
from shared.storage.deliveries import Deliveries
from shared.storage.events import EventRow, Events
from shared.storage.pages import Filters
from shared.storage.queues import DELIVERIES, POISON
from shared.storage.weeks import table_name

T = TypeVar("T")
START = datetime(2026, 11, 22, 10, tzinfo=UTC)
URLS = ("https://one.example/hook", "https://two.example/hook")


@dataclass(frozen=True)
class Odds:
    """How likely each fault is at each point."""

    crash: float = 0.0
    storage_fails: float = 0.0
    put_twice: float = 0.0
    answer_lost: float = 0.0
    """The SDK makes the call again, and what it is told is of the second try."""
    lease_runs_out: float = 0.0
    receiver_fails: float = 0.4
    failure: int | None = None
    """Which of FAILURES it is; None: any."""
    held: float = 0.0
    """By the breaker: the message is put back."""
    held_seconds: float = 60.0


class ShakyAccount(Account):
    """Every call to it is a point where something may break, and a put may have its effect twice."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    def read(self, effect: Callable[[], T]) -> T:
        self._world.point()
        if self._world.happens(self._world.odds.storage_fails):
            if self._world.chance(0.5):
                effect()
            raise StorageUnavailable("simulated")
        result = effect()
        self._world.point()
        if self._world.happens(self._world.odds.answer_lost):
            return effect()
        return result

    def enqueue(self, name: str, text: str, visible_at: datetime) -> None:
        super().enqueue(name, text, visible_at)
        if self._world.happens(self._world.odds.put_twice):
            super().enqueue(name, text, visible_at)


@dataclass
class World:
    random: random.Random
    odds: Odds
    now: datetime = START
    posts: Counter[tuple[str, str]] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    put_off: int = 0
    """Attempts that receivers' answers left unspent: they want less, or not these together."""
    format: str = "point"
    """Of both endpoints."""
    most_together: int = 1
    """Deliveries in one POST, at most."""
    ordered: bool = False
    """Both endpoints are."""
    posting: Callable[[str, str], None] = lambda key, url: None
    """Called when a POST begins, with its event's key."""
    main: greenlet = field(default_factory=getcurrent)

    def __post_init__(self) -> None:
        self.account = ShakyAccount(self)
        for prefix in ("events", "deliveries", "failures"):
            self.account.tables[table_name(prefix, to_ms(START))] = {}
        self.queue = self.account.queues.setdefault(DELIVERIES, [])
        self.poison = self.account.queues.setdefault(POISON, [])

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def happens(self, odds: float) -> bool:
        """Whether a fault that has these odds happens now."""
        happens = self.chance(odds)
        self.faults += happens
        return happens

    def point(self) -> None:
        """Lets others run; then this invocation may end."""
        self.main.switch()
        if self.happens(self.odds.crash):
            raise Crash

    # What came of it

    def stores(self) -> tuple[Events, Deliveries]:
        """The app's own, where nothing breaks."""
        services: Any = Services(Account(self.account.tables))
        return Events(services, timedelta(), timedelta(days=30)), Deliveries(services, timedelta(days=30))

    def event(self, key: str) -> EventRow:
        """As it was accepted."""
        row = self.stores()[0].find(key, self.now)
        assert row is not None, f"{key} is not stored"
        return row

    def rows(self) -> dict[DeliveryId, Delivery]:
        deliveries = self.stores()[1]
        return {at: row for url in URLS for at, row in deliveries.log(endpoint_id(url), Filters(), self.now, 500).items}

    def alerts(self) -> list[tuple[DeliveryId, Delivery] | Malformed]:
        services: Any = Services(Account(self.account.tables))
        return Alerts(services, timedelta(days=30)).log(Filters(), self.now, 500).items


class FixedEndpoints:
    """Two that nobody changes."""

    def __init__(self, format: str, ordered: bool) -> None:
        self.known = {endpoint_id(url): _endpoint(url, format, ordered) for url in URLS}

    def all(self) -> list[Endpoint]:
        return list(self.known.values())

    def get(self, identity: str) -> Endpoint | None:
        return self.known.get(identity)

    def read(self, identity: str) -> Endpoint | None:
        return self.known.get(identity)

    async def get_on_loop(self, identity: str, in_thread: object) -> Endpoint | None:
        return self.known.get(identity)

    def change_health(self, endpoint: Endpoint, transition: Callable[[Health], Health]) -> Endpoint:
        return endpoint


class FixedOptions:
    def signature_key(self, now: datetime) -> str:
        return "158b08cc-6a06-49f2-a724-2bc514fdcf1e"

    async def signature_key_on_loop(self, now: datetime, in_thread: object) -> str:
        return self.signature_key(now)


def _endpoint(url: str, format: str, ordered: bool) -> Endpoint:
    return Endpoint(
        id=endpoint_id(url),
        url=url,
        format=format,
        secret="whsec_" + "A" * 32,
        generation=1,
        types=("*",),
        ordered=ordered,
        created_at=START,
        updated_at=START,
        health=Health(generation=1),
    )
