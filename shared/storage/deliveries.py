"""Tables `deliveries<week>`: the delivery log, by endpoint."""

from datetime import datetime, timedelta

from azure.data.tables import TableEntity

from shared.model import Attempt, Delivery, DeliveryId, Status, from_ms, to_ms
from shared.storage.clients import Services, Table, Written
from shared.storage.pages import Filters, Page, WeeklyLog
from shared.storage.rows import RowFormat, Versioned, etag_of
from shared.storage.weeks import newest_first, oldest_kept, table_name, time_of, weeks_back

_PREFIX = "deliveries"
_ROWS = RowFormat(Delivery, {"event_accepted_ms": "event_ms", "schedule_start": "round_start"})
_ROOM_BYTES = 60_000
"""The room for a row's JSON, in one property of 64 KiB."""

Logged = tuple[DeliveryId, Delivery]


class Deliveries:
    """Rows are partitioned by endpoint, newest first. A week's table is made by publishing and never here, so that
    dropping one is final."""

    def __init__(self, services: Services, retention: timedelta) -> None:
        self._services = services
        self._retention = retention

    def get(self, delivery_id: DeliveryId) -> Versioned[Delivery] | None:
        """None before the delivery's first attempt."""
        entity = self._table(delivery_id).get(delivery_id.endpoint, row_key(delivery_id))
        return None if entity is None else Versioned(read_delivery(entity), etag_of(entity))

    def insert(self, delivery_id: DeliveryId, delivery: Delivery) -> Written:
        return self._table(delivery_id).insert(delivery_entity(delivery_id.endpoint, delivery_id, delivery))

    def replace(self, delivery_id: DeliveryId, delivery: Delivery, etag: str) -> Written:
        return self._table(delivery_id).replace(delivery_entity(delivery_id.endpoint, delivery_id, delivery), etag)

    def log(
        self, endpoint_id: str, filters: Filters, now: datetime, top: int, continuation: str | None = None
    ) -> Page[Logged]:
        """Deliveries to one endpoint, newest first. Raises ValueError on a continuation that is not ours."""

        def read(entity: TableEntity) -> Logged:
            return delivery_id_of(endpoint_id, entity["RowKey"]), read_delivery(entity)

        log = WeeklyLog(self._services, _PREFIX, endpoint_id, self._retention)
        return log.page(filters, now, top, continuation, read)

    def of_event(self, endpoint_id: str, key: str, event: str, since_ms: int, now: datetime) -> list[DeliveryId]:
        """Every delivery to an endpoint of an event, by its key and id, replays too. Scans the endpoint's log from
        `since_ms` on."""
        condition = "PartitionKey eq @partition and Key eq @key"
        found = (
            delivery_id_of(endpoint_id, entity["RowKey"])
            for week in weeks_back(now, from_ms(since_ms))
            for entity in self._services.table(table_name(_PREFIX, to_ms(week))).query(
                condition, {"partition": endpoint_id, "key": key}
            )
        )
        return [each for each in found if each.event == event]

    def replays(self, endpoint_id: str, since: datetime, before: datetime) -> dict[str, Status]:
        """How the newest replay of each event stands, by the event's digest. Scans the endpoint's log, no further back
        than it is kept."""
        newest: dict[str, Status] = {}
        for week in weeks_back(before, max(since, oldest_kept(before, self._retention))):
            table = self._services.table(table_name(_PREFIX, to_ms(week)))
            for entity in table.query("PartitionKey eq @partition and Replay eq true", {"partition": endpoint_id}):
                newest.setdefault(delivery_id_of(endpoint_id, entity["RowKey"]).event, entity["Status"])
        return newest

    def _table(self, delivery_id: DeliveryId) -> Table:
        return self._services.table(table_name(_PREFIX, delivery_id.accepted_ms))


def row_key(delivery_id: DeliveryId) -> str:
    """Of a delivery's row in the partition of its endpoint."""
    return f"{newest_first(delivery_id.accepted_ms)}-{delivery_id.event}"


def delivery_id_of(endpoint_id: str, row: str) -> DeliveryId:
    """The delivery of a row key that begins as `row_key` writes it."""
    return DeliveryId(time_of(row), row[13:39], endpoint_id)


def delivery_entity(partition: str, delivery_id: DeliveryId, delivery: Delivery) -> dict[str, str | bytes | bool]:
    """A delivery as a row."""
    return {
        "PartitionKey": partition,
        "RowKey": row_key(delivery_id),
        "Status": delivery.status,
        "Type": delivery.type,
        "Key": delivery.key,
        "Replay": delivery.event_accepted_ms != delivery_id.accepted_ms,
        "Row": _fitting(delivery),
    }


def read_delivery(entity: TableEntity) -> Delivery:
    """What `delivery_entity` wrote."""
    return _ROWS.load(entity["Row"])


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
    return _ROWS.dump(delivery.model_copy(update={"attempts": tuple(attempts)}))
