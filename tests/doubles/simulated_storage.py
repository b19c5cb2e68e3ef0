"""A small world of two queues, tables and receivers, in which every call is a point where something may break."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from greenlet import getcurrent, greenlet

from shared.model import Delivery, DeliveryId, Endpoint, Health, digest, endpoint_id
from shared.storage.clients import StorageUnavailable, Written
from shared.storage.events import EventRow

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
URLS = ("https://one.example/hook", "https://two.example/hook")


class Crash(BaseException):
    """The process ends here: no handler may see it."""


@dataclass(frozen=True)
class Odds:
    """How likely each fault is at each point."""

    crash: float = 0.0
    storage_fails: float = 0.0
    put_twice: float = 0.0
    lease_runs_out: float = 0.0
    receiver_fails: float = 0.4
    held: float = 0.0
    """By the breaker: the message is put back."""


@dataclass
class Queued:
    text: str
    visible_at: datetime
    dequeues: int = 0


@dataclass
class World:
    random: random.Random
    odds: Odds
    now: datetime = START
    queue: list[Queued] = field(default_factory=list)
    poison: list[Queued] = field(default_factory=list)
    rows: dict[DeliveryId, tuple[Delivery, str]] = field(default_factory=dict)
    alerts: dict[DeliveryId, Delivery] = field(default_factory=dict)
    malformed: list[bytes] = field(default_factory=list)
    events: dict[str, EventRow] = field(default_factory=dict)
    posts: Counter[tuple[str, str]] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    versions: int = 0
    main: greenlet = field(default_factory=getcurrent)

    def chance(self, odds: float) -> bool:
        return self.random.random() < odds

    def point(self) -> None:
        """Lets others run; then this invocation may end."""
        self.main.switch()
        if self.chance(self.odds.crash):
            self.faults += 1
            raise Crash

    def call(self, effect: Callable[[], Any]) -> Any:
        """One call to storage."""
        self.point()
        if self.chance(self.odds.storage_fails):
            self.faults += 1
            if self.chance(0.5):
                effect()
            raise StorageUnavailable("simulated")
        result = effect()
        self.point()
        return result

    def version(self) -> str:
        self.versions += 1
        return str(self.versions)


class FakeQueue:
    def __init__(self, world: World, messages: list[Queued]) -> None:
        self.world, self.messages = world, messages

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self.world.call(lambda: self._put(text, delay))

    def _put(self, text: str, delay: timedelta) -> None:
        self.messages.append(Queued(text, self.world.now + delay))
        if self.world.chance(self.world.odds.put_twice):
            self.world.faults += 1
            self.messages.append(Queued(text, self.world.now + delay))


class FakeDeliveries:
    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, delivery_id: DeliveryId) -> tuple[Delivery, str] | None:
        return cast("tuple[Delivery, str] | None", self.world.call(lambda: self.world.rows.get(delivery_id)))

    def insert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        return cast(Written, self.world.call(lambda: self._write(delivery_id, delivery, None)))

    def replace(self, delivery_id: DeliveryId, delivery: Delivery, etag: str) -> Written:
        return cast(Written, self.world.call(lambda: self._write(delivery_id, delivery, etag)))

    def note_alert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        self.world.call(lambda: self.world.alerts.__setitem__(delivery_id, delivery))
        return Written.DONE

    def renew_alert(self, delivery_id: DeliveryId, delivery: Delivery) -> None:
        if delivery_id in self.world.alerts:
            self.note_alert(delivery_id, delivery)

    def note_malformed(self, at: datetime, name: str, body: bytes, reason: str) -> str:
        self.world.call(lambda: self.world.malformed.append(body))
        return name

    def _write(self, delivery_id: DeliveryId, delivery: Delivery, etag: str | None) -> Written:
        known = self.world.rows.get(delivery_id)
        if (known[1] if known else None) != etag:
            return Written.CONFLICT
        self.world.rows[delivery_id] = (delivery, self.world.version())
        return Written.DONE


class FakeEvents:
    def __init__(self, world: World) -> None:
        self.world = world

    def insert(self, row: EventRow) -> EventRow:
        return cast(EventRow, self.world.call(lambda: self.world.events.setdefault(row.event.key, row)))

    def get(self, accepted_ms: int, key: str) -> EventRow | None:
        rows = {digest(row.event.key): row for row in self.world.events.values()}
        return cast("EventRow | None", self.world.call(lambda: rows.get(key)))


class FakeEndpoints:
    def __init__(self) -> None:
        self.known = {endpoint.id: endpoint for endpoint in map(_endpoint, URLS)}

    def all(self) -> list[Endpoint]:
        return list(self.known.values())

    def get(self, identity: str) -> Endpoint | None:
        return self.known.get(identity)

    def read(self, identity: str) -> Endpoint | None:
        return self.known.get(identity)

    def note_exhausted(self, endpoint: Endpoint, delivery: str, at: datetime, error: str, now: datetime) -> Endpoint:
        return endpoint


class FakeOptions:
    def signature_key(self, now: datetime) -> str:
        return "158b08cc-6a06-49f2-a724-2bc514fdcf1e"


def _endpoint(url: str) -> Endpoint:
    return Endpoint(
        id=endpoint_id(url),
        url=url,
        secret="whsec_" + "A" * 32,
        generation=1,
        types=("*",),
        created_at=START,
        updated_at=START,
        health=Health(generation=1),
    )
