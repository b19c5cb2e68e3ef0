"""Tables `deliveries<week>` and `failures<week>`: the delivery log by endpoint, and the alert log across endpoints."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from azure.data.tables import TableEntity

from shared.model import Attempt, Delivery, DeliveryId, Model, Status, from_ms, to_ms
from shared.storage.clients import Services, Table, Written
from shared.storage.weeks import newest_first, oldest_kept, table_name, time_of, weeks_back

_ROOM_BYTES = 60_000
"""The room for a row's JSON, in one property of 64 KiB."""

_ALERTS = "failures"
_ROW_KEY = re.compile(r"[0-7][0-9A-F]{11}-[A-Z2-7]{26}(-[A-Z2-7]{26})?")
_LINE_ID = re.compile(r"(0[0-9A-F]{11})-([A-Z2-7]{26})")


@dataclass(frozen=True)
class Filters:
    """What a list of deliveries is narrowed to; times are of acceptance, `since` inclusive, `until` exclusive."""

    status: Status | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Malformed(Model):
    """A poison message that is no message of ours; `message` is its text, verbatim as far as it is text."""

    id: str
    reason: str
    message: str


Logged = tuple[DeliveryId, Delivery]


T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list, and where the next part begins (None at its end)."""

    items: list[T]
    continuation: str | None


class Deliveries:
    """Rows are partitioned by endpoint, newest first. A week's table is made by publishing and never here, so that
    dropping one is final."""

    def __init__(self, services: Services, retention: timedelta) -> None:
        self._services = services
        self._retention = retention

    def get(self, delivery_id: DeliveryId) -> tuple[Delivery, str] | None:
        """The delivery and the etag of its row; None before its first attempt."""
        entity = self._table("deliveries", delivery_id).get(delivery_id.endpoint, row_key(delivery_id))
        return None if entity is None else (read_delivery(entity), entity.metadata["etag"] or "")

    def insert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        return self._table("deliveries", delivery_id).insert(
            delivery_entity(delivery_id.endpoint, delivery_id, delivery)
        )

    def replace(self, delivery_id: DeliveryId, delivery: Delivery, etag: str) -> Written:
        entity = delivery_entity(delivery_id.endpoint, delivery_id, delivery)
        return self._table("deliveries", delivery_id).replace(entity, etag)

    def log(
        self, endpoint: str, filters: Filters, now: datetime, top: int, continuation: str | None = None
    ) -> Page[Logged]:
        """Deliveries to one endpoint, newest first. Raises ValueError on a continuation that is not ours."""
        found = self._scan("deliveries", endpoint, filters, now, top, continuation)
        return _page(
            [(_id_in_partition(endpoint, entity["RowKey"]), read_delivery(entity)) for entity in found], found, top
        )

    def of_event(self, endpoint: str, key: str, since_ms: int, now: datetime) -> list[DeliveryId]:
        """Every delivery of an event to an endpoint, replays too. Scans the endpoint's log from `since_ms` on."""
        condition = "PartitionKey eq @partition and Key eq @key"
        return [
            _id_in_partition(endpoint, entity["RowKey"])
            for week in weeks_back(now, from_ms(since_ms))
            for entity in self._services.table(table_name("deliveries", to_ms(week))).query(
                condition, {"partition": endpoint, "key": key}
            )
        ]

    def replays(self, endpoint: str, since: datetime, before: datetime) -> dict[str, Status]:
        """How the newest replay of each event stands, by the event's digest. Scans the endpoint's log."""
        values = {"partition": endpoint}
        newest: dict[str, Status] = {}
        for week in weeks_back(before, since):
            table = self._services.table(table_name("deliveries", to_ms(week)))
            for entity in table.query("PartitionKey eq @partition and Replay eq true", values):
                newest.setdefault(_id_in_partition(endpoint, entity["RowKey"]).event, entity["Status"])
        return newest

    def note_alert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        """Writes or renews the delivery's line in the alert log; one that is not `failed` (any more) is not listed."""
        entity = delivery_entity(_ALERTS, delivery_id, delivery) | {
            "RowKey": f"{row_key(delivery_id)}-{delivery_id.endpoint}"
        }
        return self._table("failures", delivery_id).upsert(entity)

    def renew_alert(self, delivery_id: DeliveryId, delivery: Delivery) -> None:
        """Brings the delivery's line in the alert log up to date, where it has one."""
        row = f"{row_key(delivery_id)}-{delivery_id.endpoint}"
        if self._table("failures", delivery_id).get(_ALERTS, row) is not None:
            self.note_alert(delivery_id, delivery)

    def note_malformed(self, at: datetime, digest: str, body: bytes, reason: str) -> str:
        """Keeps a message that cannot be read; returns the id of its line in the alert log."""
        table = self._services.table(table_name("failures", to_ms(at)))
        entity = {
            "PartitionKey": _ALERTS,
            "RowKey": f"{newest_first(to_ms(at))}-{digest}",
            "Status": "failed",
            "Type": "",
            "Reason": reason,
            "Message": body,
        }
        if table.upsert(entity) is Written.NO_TABLE:
            table.create()
            table.upsert(entity)
        return f"{to_ms(at):012X}-{digest}"

    def alerts(
        self, filters: Filters, now: datetime, top: int, continuation: str | None = None
    ) -> Page[Logged | Malformed]:
        """The alert log across endpoints, newest first."""
        found = self._scan("failures", _ALERTS, replace(filters, status="failed"), now, top, continuation)
        return _page([_alert(entity) for entity in found], found, top)

    def malformed(self, line_id: str) -> Malformed | None:
        """One line of the alert log that is no delivery, by its id."""
        match = _LINE_ID.fullmatch(line_id.upper())
        if match is None:
            return None
        at_ms = int(match[1], 16)
        table = self._services.table(table_name("failures", at_ms))
        entity = table.get(_ALERTS, f"{newest_first(at_ms)}-{match[2]}")
        alert = None if entity is None else _alert(entity)
        return alert if isinstance(alert, Malformed) else None

    def _table(self, prefix: str, delivery_id: DeliveryId) -> Table:
        return self._services.table(table_name(prefix, delivery_id.accepted_ms))

    def _scan(
        self, prefix: str, partition: str, filters: Filters, now: datetime, top: int, continuation: str | None
    ) -> list[TableEntity]:
        """Up to `top` + 1 rows: the one too many says that there is a next page."""
        after = _read_continuation(continuation)
        values = {"partition": partition, "after": after, "status": filters.status, "type": filters.type}
        condition = "PartitionKey eq @partition and RowKey gt @after"
        oldest, newest = oldest_kept(now, self._retention), now + timedelta(minutes=5)
        if filters.until is not None:
            values["until"] = newest_first(to_ms(filters.until) - 1)
            condition += " and RowKey ge @until"
            newest = min(newest, filters.until)
        if filters.since is not None:
            values["since"] = newest_first(to_ms(filters.since) - 1)
            condition += " and RowKey lt @since"
            oldest = max(oldest, filters.since)
        if after:
            newest = min(newest, from_ms(time_of(after)))
        condition += " and Status eq @status" if filters.status else ""
        condition += " and Type eq @type" if filters.type else ""
        used = {name: value for name, value in values.items() if f"@{name}" in condition}
        return list(self._take(prefix, condition, used, newest, oldest, top + 1))

    def _take(
        self, prefix: str, condition: str, values: dict[str, str | None], newest: datetime, oldest: datetime, count: int
    ) -> Iterator[TableEntity]:
        for week in weeks_back(newest, oldest):
            table = self._services.table(table_name(prefix, to_ms(week)))
            for entity in table.query(condition, values, page=min(count, 1000)):
                yield entity
                count -= 1
                if count == 0:
                    return


def row_key(delivery_id: DeliveryId) -> str:
    return f"{newest_first(delivery_id.accepted_ms)}-{delivery_id.event}"


def _id_in_partition(endpoint: str, row: str) -> DeliveryId:
    return DeliveryId(time_of(row), row[13:39], endpoint)


def delivery_entity(partition: str, delivery_id: DeliveryId, delivery: Delivery) -> dict[str, str | bytes | bool]:
    return {
        "PartitionKey": partition,
        "RowKey": row_key(delivery_id),
        "Status": delivery.status,
        "Type": delivery.type,
        "Key": delivery.key,
        "Replay": delivery.event_accepted_ms != delivery_id.accepted_ms,
        "Row": _fitting(delivery),
    }


def _fitting(delivery: Delivery) -> bytes:
    """The row's JSON; where it would outgrow its property, the oldest answers go first, then the oldest attempts but
    the very first, which with the newest ones says most."""
    attempts = list(delivery.attempts)
    while len(text := _dump(delivery, attempts)) > _ROOM_BYTES and len(attempts) > 1:
        answered = [at for at, attempt in enumerate(attempts) if attempt.response is not None]
        if not answered:
            del attempts[1 : 2 + len(attempts) // 10]
        for at in answered[: 1 + len(answered) // 10]:
            attempts[at] = attempts[at].model_copy(update={"response": None})
    return text


def _dump(delivery: Delivery, attempts: list[Attempt]) -> bytes:
    return delivery.model_copy(update={"attempts": tuple(attempts)}).model_dump_json(exclude_defaults=True).encode()


def read_delivery(entity: TableEntity) -> Delivery:
    return Delivery.model_validate_json(entity["Row"])


def _alert(entity: TableEntity) -> Logged | Malformed:
    row = entity["RowKey"]
    if "Row" in entity:
        return _id_in_partition(row[40:], row), read_delivery(entity)
    line_id = f"{time_of(row):012X}-{row[13:]}"
    return Malformed(id=line_id, reason=entity["Reason"], message=entity["Message"].decode(errors="replace"))


def _page(items: list[T], found: list[TableEntity], top: int) -> Page[T]:
    if len(found) <= top:
        return Page(items, None)
    token = base64.urlsafe_b64encode(found[top - 1]["RowKey"].encode()).decode()
    return Page(items[:top], token)


def _read_continuation(token: str | None) -> str:
    if token is None:
        return ""
    row = base64.urlsafe_b64decode(token).decode()
    if not _ROW_KEY.fullmatch(row):
        raise ValueError("not a continuation")
    return row
