"""A storage account in memory on which the app's own stores run, and in which any call can be the one that breaks."""

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar, cast

from azure.data.tables import TableEntity

from shared.app import App, Post
from shared.outbound.breaker import Breaker
from shared.outbound.bulkhead import Share
from shared.settings import Settings
from shared.storage.cipher import Cipher
from shared.storage.clients import StorageUnavailable, Written
from shared.storage.deliveries import Deliveries
from shared.storage.delivery_queue import Copies
from shared.storage.endpoints import Endpoints
from shared.storage.events import Events
from shared.storage.signature_keys import Options
from shared.storage.sites import Sites

T = TypeVar("T")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"eq": operator.eq, "gt": operator.gt, "ge": operator.ge}
OPERATORS["lt"] = operator.lt


class Crash(BaseException):
    """The process ends here: no handler may see it."""


@dataclass(frozen=True)
class Fault:
    """What happens at the `call`-th call to storage from now on, before or after it has had its effect."""

    call: int
    kind: Literal["crash", "unavailable"]
    after: bool


@dataclass
class Account:
    """Tables, with what is to break next."""

    tables: dict[str, dict[tuple[str, str], tuple[dict[str, Any], str]]] = field(default_factory=dict)
    fault: Fault | None = None
    calls: int = 0
    versions: Iterator[int] = field(default_factory=itertools.count)

    def breaks(self, fault: Fault | None) -> None:
        self.fault, self.calls = fault, 0

    def call(self, effect: Callable[[], T]) -> T:
        self.calls += 1
        if self.fault is None or self.calls != self.fault.call:
            return effect()
        if self.fault.after:
            effect()
        raise Crash if self.fault.kind == "crash" else StorageUnavailable("simulated")


class Table:
    """As shared.storage.clients.Table."""

    def __init__(self, account: Account, name: str) -> None:
        self._account, self.name, self.missing = account, name, False

    def create(self) -> None:
        self._account.call(lambda: self._account.tables.setdefault(self.name, {}))
        self.missing = False

    def drop(self) -> None:
        self._account.call(lambda: self._account.tables.pop(self.name, None))

    def get(self, partition: str, row: str) -> TableEntity | None:
        return self._account.call(lambda: self._get(partition, row))

    def insert(self, entity: Mapping[str, Any]) -> Written:
        return self._account.call(lambda: self._write(entity, lambda known: known is None))

    def replace(self, entity: Mapping[str, Any], etag: str) -> Written:
        return self._account.call(lambda: self._write(entity, lambda known: known == etag))

    def upsert(self, entity: Mapping[str, Any]) -> Written:
        return self._account.call(lambda: self._write(entity, lambda known: True))

    def delete(self, partition: str, row: str) -> None:
        self._account.call(lambda: self._rows().pop((partition, row), None))

    def query(self, condition: str, values: Mapping[str, Any], page: int = 1000) -> Iterator[TableEntity]:
        clauses = [clause.split(" ") for clause in condition.split(" and ")]
        wanted = [(name, OPERATORS[sign], values.get(value.lstrip("@"), True)) for name, sign, value in clauses]
        found = self._account.call(lambda: sorted(self._rows()))
        for key in found:
            entity = self._get(*key)
            if entity is not None and all(name in entity and holds(entity[name], to) for name, holds, to in wanted):
                yield entity

    def _rows(self) -> dict[tuple[str, str], tuple[dict[str, Any], str]]:
        self.missing = self.name not in self._account.tables
        return self._account.tables.get(self.name, {})

    def _get(self, partition: str, row: str) -> TableEntity | None:
        found = self._rows().get((partition, row))
        if found is None:
            return None
        entity = TableEntity(found[0])
        entity._metadata = {"etag": found[1], "timestamp": None}
        return entity

    def _write(self, entity: Mapping[str, Any], allowed: Callable[[str | None], bool]) -> Written:
        rows, key = self._rows(), (entity["PartitionKey"], entity["RowKey"])
        if self.missing:
            return Written.NO_TABLE
        if not allowed(rows[key][1] if key in rows else None):
            return Written.CONFLICT
        rows[key] = (dict(entity), str(next(self._account.versions)))
        return Written.DONE


class Services:
    """As shared.storage.clients.Services, for one process."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._tables: dict[str, Table] = {}

    def table(self, name: str) -> Table:
        return self._tables.setdefault(name, Table(self._account, name))

    def table_names(self) -> list[str]:
        return sorted(self._account.tables)


def app_on(
    account: Account, settings: Settings, post: Post, now: Callable[[], datetime], queue: "Queue", poison: "Queue"
) -> App:
    """A new process: nothing is in its memory."""
    services: Any = Services(account)
    cipher, retention = Cipher(settings.secrets_keys), timedelta(days=settings.retention_days)
    return App(
        settings=settings,
        endpoints=Endpoints(services, cipher),
        events=Events(services, timedelta(hours=settings.dedupe_hours), retention),
        deliveries=Deliveries(services, retention),
        options=Options(services, cipher),
        sites=Sites(services),
        queue=cast(Any, queue),
        poison=cast(Any, poison),
        outbound=cast(Any, None),
        post=post,
        tokens=cast(Any, None),
        breaker=Breaker(settings.breaker_probe),
        share=Share(),
        copies=Copies(),
        services=services,
        now=now,
    )


@dataclass
class Queued:
    text: str
    visible_at: datetime
    dequeues: int = 0


class Queue:
    """As shared.storage.queues.Queue, where the host's part is played by a test."""

    def __init__(self, account: Account, now: Callable[[], datetime]) -> None:
        self._account, self._now = account, now
        self.messages: list[Queued] = []

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self._account.call(lambda: self.messages.append(Queued(text, self._now() + delay)))
