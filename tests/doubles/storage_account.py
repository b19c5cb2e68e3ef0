"""A storage account in memory, on which the app's own stores run. Every call to it is a step at which a test can let
something else happen, and any can be the one that breaks."""

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar, cast

from azure.data.tables import TableEntity

from shared.app import App, Doors, build_on
from shared.outbound.client import NoResponse, Response
from shared.settings import Settings
from shared.storage.clients import StorageUnavailable, Written
from shared.storage.loop_clients import Insert, Replace
from shared.storage.queues import DELIVERIES, POISON
from shared.storage.workspaces import PROVISIONING, PROVISIONING_POISON

T = TypeVar("T")
_VERSIONS = itertools.count()
Key = tuple[str, str]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "ge": operator.ge,
    "le": operator.le,
    "lt": operator.lt,
}


class Crash(BaseException):
    """The process ends here: no handler may see it."""


@dataclass(frozen=True)
class Fault:
    """What happens at the `call`-th call to storage from now on, before or after it has had its effect."""

    call: int
    kind: Literal["crash", "unavailable"]
    after: bool


@dataclass
class Queued:
    text: str
    visible_at: datetime
    dequeues: int = 0


def _nothing() -> None:
    pass


@dataclass
class Account:
    """What is stored, what was written, and what is to break next."""

    tables: dict[str, dict[Key, tuple[dict[str, Any], str]]] = field(default_factory=dict)
    """Rows with their etags, by table and key."""
    queues: dict[str, list[Queued]] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    """Table and row key of each write."""
    step: Callable[[], None] = _nothing
    """Called before each call, and after each that changes something."""
    fault: Fault | None = None
    calls: int = 0
    transactions: int = 0
    """Writes of several rows together."""

    def breaks(self, fault: Fault | None) -> None:
        """From now on; None: nothing does."""
        self.fault, self.calls = fault, 0

    def enqueue(self, name: str, text: str, visible_at: datetime) -> None:
        self.queues.setdefault(name, []).append(Queued(text, visible_at))

    def read(self, effect: Callable[[], T]) -> T:
        """One call to storage."""
        self.step()
        self.calls += 1
        if self.fault is None or self.calls != self.fault.call:
            return effect()
        if self.fault.after:
            effect()
        raise Crash if self.fault.kind == "crash" else StorageUnavailable("simulated")

    def change(self, effect: Callable[[], T]) -> T:
        """One call to storage that changes something."""
        result = self.read(effect)
        self.step()
        return result


class Table:
    """As shared.storage.clients.Table."""

    def __init__(self, account: Account, name: str) -> None:
        self._account, self.name, self.missing = account, name, False

    def create(self) -> None:
        self._account.change(lambda: self._account.tables.setdefault(self.name, {}))
        self.missing = False

    def drop(self) -> None:
        self._account.change(lambda: self._account.tables.pop(self.name, None))

    def get(self, partition: str, row: str, once: bool = False) -> TableEntity | None:
        return self._account.read(lambda: self._get(partition, row))

    def insert(self, entity: Mapping[str, Any]) -> Written:
        return self._write(entity, lambda etag: etag is None)

    def replace(self, entity: Mapping[str, Any], etag: str) -> Written:
        return self._write(entity, lambda stored: stored == etag)

    def upsert(self, entity: Mapping[str, Any]) -> Written:
        return self._write(entity, lambda _: True)

    def delete(self, partition: str, row: str) -> None:
        self._account.change(lambda: self._drop(partition, row, None))

    def remove(self, partition: str, row: str, etag: str) -> Written:
        return self._account.change(lambda: self._drop(partition, row, etag))

    def query(
        self, condition: str, values: Mapping[str, Any], page: int = 1000, select: object = None
    ) -> Iterator[TableEntity]:
        """Conditions joined by `and`, on values named with `@` or on `true`; of each row all is given."""
        clauses = [clause.split(" ") for clause in condition.split(" and ")]
        wanted = [(name, OPERATORS[sign], values.get(value.lstrip("@"), True)) for name, sign, value in clauses]
        for key in self._account.read(lambda: sorted(self._rows())):
            entity = self._get(*key)
            if entity is not None and all(name in entity and holds(entity[name], to) for name, holds, to in wanted):
                yield entity

    def _rows(self) -> dict[Key, tuple[dict[str, Any], str]]:
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
        return self._account.change(lambda: self._put(entity, allowed))

    def _put(self, entity: Mapping[str, Any], allowed: Callable[[str | None], bool]) -> Written:
        rows, key = self._rows(), (entity["PartitionKey"], entity["RowKey"])
        if self.missing:
            return Written.NO_TABLE
        if not allowed(rows[key][1] if key in rows else None):
            return Written.CONFLICT
        rows[key] = (dict(entity), str(next(_VERSIONS)))
        self._account.writes.append((self.name, key[1]))
        return Written.DONE

    def _drop(self, partition: str, row: str, etag: str | None) -> Written:
        rows, key = self._rows(), (partition, row)
        if self.missing:
            return Written.NO_TABLE
        if key in rows:
            if etag is not None and rows[key][1] != etag:
                return Written.CONFLICT
            del rows[key]
            self._account.writes.append((self.name, row))
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


class Queue:
    """As shared.storage.queues.Queue, of which a test takes the messages itself."""

    def __init__(self, account: Account, name: str, now: Callable[[], datetime]) -> None:
        self.name = name
        self._account, self._now = account, now

    @property
    def messages(self) -> list[Queued]:
        return self._account.queues.setdefault(self.name, [])

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        self._account.change(lambda: self._account.enqueue(self.name, text, self._now() + delay))

    def peek(self) -> tuple[bytes, datetime | None] | None:
        return self._account.read(self._first)

    def _first(self) -> tuple[bytes, datetime | None] | None:
        visible = [message for message in self.messages if message.visible_at <= self._now()]
        first = min(visible, key=lambda message: message.visible_at, default=None)
        return None if first is None else (first.text.encode(), first.visible_at)


class LoopServices:
    """As shared.storage.loop_clients.LoopServices, without a loop: each call is done when it is made."""

    def __init__(self, account: Account, now: Callable[[], datetime]) -> None:
        self._account, self._now = account, now

    async def get(self, table: str, partition: str, row: str) -> TableEntity | None:
        return Table(self._account, table).get(partition, row)

    async def write(self, table: str, operation: Insert | Replace) -> Written:
        return _write(Table(self._account, table), operation)

    async def write_together(self, table: str, operations: Sequence[Insert | Replace]) -> bool:
        return self._account.change(lambda: self._write_all(Table(Account(self._account.tables), table), operations))

    async def put(self, queue: str, text: str, delay: timedelta = timedelta()) -> None:
        Queue(self._account, queue, self._now).put(text, delay)

    async def close(self) -> None:
        """Nothing is open."""

    def _write_all(self, table: Table, operations: Sequence[Insert | Replace]) -> bool:
        """All or nothing."""
        before = dict(self._account.tables.get(table.name, {}))
        if all(_write(table, each) is Written.DONE for each in operations):
            self._account.transactions += 1
            return True
        self._account.tables[table.name] = before
        return False


def _write(table: Table, operation: Insert | Replace) -> Written:
    if isinstance(operation, Insert):
        return table.insert(operation.entity)
    return table.replace(operation.entity, operation.etag)


Post = Callable[[str, Mapping[str, str], bytes, timedelta], Response | NoResponse]


class ScriptedClient:
    """As shared.outbound.client.WebhookClient, with the answers of a function."""

    def __init__(self, post: Post) -> None:
        self._post = post

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        spent: timedelta = timedelta(),
        within: timedelta | None = None,
    ) -> Response | NoResponse:
        return self._post(url, headers, body, spent)


async def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    """As `asyncio.to_thread`, in this one."""
    return function(*arguments)


def app_on(
    account: Account,
    settings: Settings,
    post: Post,
    now: Callable[[], datetime],
    storages_now: Callable[[], datetime] | None = None,
    pass_time: Callable[[timedelta], None] = lambda _: None,
) -> App:
    """A new process on this account: nothing is in its memory. Storage hides messages by a clock of its own, which is
    also the monotonic one; who sleeps makes time pass."""
    clock = storages_now or now

    async def sleep(seconds: float) -> None:
        pass_time(timedelta(seconds=seconds))

    doors = Doors(
        services=cast(Any, Services(account)),
        loop_services=cast(Any, LoopServices(account, clock)),
        deliveries=cast(Any, Queue(account, DELIVERIES, clock)),
        poison=cast(Any, Queue(account, POISON, clock)),
        provisioning=cast(Any, Queue(account, PROVISIONING, clock)),
        provisioning_poison=cast(Any, Queue(account, PROVISIONING_POISON, clock)),
        client=cast(Any, ScriptedClient(post)),
        now=now,
        seconds=lambda: clock().timestamp(),
        in_thread=at_once,
        sleep=sleep,
        several=map,
        later=lambda seconds, work: None,
    )
    return build_on(doors, settings)
