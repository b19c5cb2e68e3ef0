"""A small world of two queues, tables and receivers, in which every call is a point where something may break."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from azure.data.tables import TableEntity
from greenlet import getcurrent, greenlet

from shared.model import Delivery, DeliveryId, Endpoint, Health, digest, endpoint_id
from shared.storage.clients import StorageUnavailable, Written
from shared.storage.deliveries import delivery_entity
from shared.storage.events import EventRow
from shared.storage.loop_clients import Insert, Replace
from shared.storage.weeks import time_of

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
    put_off: int = 0
    """POSTs to which a receiver answered that it wants less."""
    versions: int = 0
    transactions: int = 0
    """Of several rows together."""
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
    def __init__(self, world: World, name: str, messages: list[Queued]) -> None:
        self.world, self.name, self.messages = world, name, messages

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self.world.call(lambda: self._put(text, delay))

    def _put(self, text: str, delay: timedelta) -> None:
        self.messages.append(Queued(text, self.world.now + delay))
        if self.world.chance(self.world.odds.put_twice):
            self.world.faults += 1
            self.messages.append(Queued(text, self.world.now + delay))


class FakeLoopServices:
    """As shared.storage.loop_clients.LoopServices: the same world, seen from the loop."""

    def __init__(self, world: World, queues: dict[str, FakeQueue]) -> None:
        self.world, self.queues = world, queues

    async def get(self, table: str, partition: str, row: str) -> TableEntity | None:
        found = self.world.call(lambda: self.world.rows.get(_id_of(partition, row)))
        if found is None:
            return None
        delivery, etag = found
        entity = TableEntity(delivery_entity(partition, _id_of(partition, row), delivery))
        entity._metadata = {"etag": etag, "timestamp": None}
        return entity

    async def write(self, table: str, operation: Insert | Replace) -> Written:
        return cast(Written, self.world.call(lambda: self._write(operation)))

    async def write_together(self, table: str, operations: Sequence[Insert | Replace]) -> bool:
        return bool(self.world.call(lambda: self._write_all(operations)))

    async def put(self, queue: str, text: str, delay: timedelta = timedelta()) -> None:
        self.queues[queue].put(text, delay)

    def _write_all(self, operations: Sequence[Insert | Replace]) -> bool:
        self.world.transactions += 1
        if not all(self._holds(each) for each in operations):
            return False
        for each in operations:
            self._write(each)
        return True

    def _write(self, operation: Insert | Replace) -> Written:
        if not self._holds(operation):
            return Written.CONFLICT
        entity = operation.entity
        delivery_id = _id_of(entity["PartitionKey"], entity["RowKey"])
        self.world.rows[delivery_id] = (Delivery.model_validate_json(entity["Row"]), self.world.version())
        return Written.DONE

    def _holds(self, operation: Insert | Replace) -> bool:
        entity = operation.entity
        known = self.world.rows.get(_id_of(entity["PartitionKey"], entity["RowKey"]))
        wanted = operation.etag if isinstance(operation, Replace) else None
        return (known[1] if known else None) == wanted


def _id_of(endpoint: str, row: str) -> DeliveryId:
    return DeliveryId(time_of(row), row[13:39], endpoint)


class FakeDeliveries:
    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, delivery_id: DeliveryId) -> tuple[Delivery, str] | None:
        return cast("tuple[Delivery, str] | None", self.world.call(lambda: self.world.rows.get(delivery_id)))

    def note_alert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        self.world.call(lambda: self.world.alerts.__setitem__(delivery_id, delivery))
        return Written.DONE

    def renew_alert(self, delivery_id: DeliveryId, delivery: Delivery) -> None:
        if delivery_id in self.world.alerts:
            self.note_alert(delivery_id, delivery)

    def note_malformed(self, at: datetime, name: str, body: bytes, reason: str) -> str:
        self.world.call(lambda: self.world.malformed.append(body))
        return name


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

    def at_hand(self, identity: str) -> Endpoint | None:
        return self.known.get(identity)

    async def get_on_loop(self, identity: str, in_thread: object) -> Endpoint | None:
        return self.known.get(identity)

    def note_exhausted(self, endpoint: Endpoint, delivery: str, at: datetime, error: str, now: datetime) -> Endpoint:
        return endpoint


class FakeOptions:
    def signature_key(self, now: datetime) -> str:
        return "158b08cc-6a06-49f2-a724-2bc514fdcf1e"

    async def signature_key_on_loop(self, now: datetime, in_thread: object) -> str:
        return self.signature_key(now)


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
