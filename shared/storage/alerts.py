"""Tables `failures<week>`: the alert log, what failed for good across endpoints."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from azure.data.tables import TableEntity

from shared.model import Delivery, DeliveryId, Model, to_ms
from shared.storage.clients import Services, Table, Written
from shared.storage.deliveries import Logged, delivery_entity, delivery_id_of, read_delivery, row_key
from shared.storage.pages import Filters, Page, WeeklyLog
from shared.storage.rows import etag_of
from shared.storage.weeks import newest_first, table_name, time_of

_PREFIX = "failures"
_PARTITION = "failures"
_LINE_ID = re.compile(r"(0[0-9A-F]{11})-([A-Z2-7]{26})")
_SEEN = "acknowledged"
"""The status of a line that somebody has taken out of the log."""
_ACKNOWLEDGED = "Acknowledged"
"""The attempt after which that was done; a later one that fails brings the line back."""


class Malformed(Model):
    """A poison message that is no message of ours; `message` is its text, verbatim as far as it is text."""

    id: str
    reason: str
    message: str


class Alerts:
    """One line for a delivery, and one for a message that cannot be read. Newest first."""

    def __init__(self, services: Services, retention: timedelta) -> None:
        self._services = services
        self._log = WeeklyLog(services, _PREFIX, _PARTITION, retention)

    def write(self, delivery_id: DeliveryId, delivery: Delivery, noted: int = 0) -> Written:
        """Writes or renews a delivery's line; one that is not `failed` (any more) is not listed. What was acknowledged
        stays so until another attempt has failed: a repeated write brings no line back. `noted` is the
        schedule whose failure is to be told of no more."""
        table, row = self._table(delivery_id.accepted_ms), _row(delivery_id)
        entity = delivery_entity(_PARTITION, delivery_id, delivery) | {"RowKey": row}
        if noted:
            entity["Noted"] = str(noted)
        while (written := table.insert(entity)) is Written.CONFLICT:
            stored = table.get(_PARTITION, row)
            if stored is None:
                continue
            known = stored.get("Noted")
            if not noted and known is not None:
                entity["Noted"] = known
            same_schedule = entity.get("Noted") == known  # a retry may fail for good without an attempt
            was_seen = (
                same_schedule and delivery.status == "failed" and stored.get(_ACKNOWLEDGED) == delivery.last_number
            )
            seen = {"Status": _SEEN, _ACKNOWLEDGED: delivery.last_number} if was_seen else {}
            written = table.replace({**entity, **seen}, etag_of(stored))
            if written is not Written.CONFLICT:
                break
        return written

    def acknowledge(self, line_id: str, seen: bool) -> bool:
        """Takes a line out of the log, or back into it; the delivery itself stays as it is. False where there is no
        such line, or where its delivery has not failed (any more)."""
        place = _place(line_id)
        while place is not None:
            at_ms, row = place
            table = self._table(at_ms)
            stored = table.get(_PARTITION, row)
            if stored is None or stored["Status"] not in ("failed", _SEEN):
                return False
            if (stored["Status"] == _SEEN) is seen:
                return True
            after = read_delivery(stored).last_number if "Row" in stored else 0
            changed = dict(stored) | {"Status": _SEEN if seen else "failed", _ACKNOWLEDGED: after if seen else -1}
            if table.replace(changed, etag_of(stored)) is Written.DONE:
                return True
        return False

    def count(self, now: datetime, most: int) -> int:
        """How many lines the log has, up to `most`."""
        return self._log.count(Filters(status="failed"), now, most)

    def is_noted(self, delivery_id: DeliveryId, schedule: int) -> bool:
        """Whether the line was written for this schedule before."""
        entity = self._table(delivery_id.accepted_ms).get(_PARTITION, _row(delivery_id))
        return entity is not None and entity.get("Noted") == str(schedule)

    def renew(self, delivery_id: DeliveryId, delivery: Delivery) -> None:
        """Brings a delivery's line up to date, where it has one."""
        if self._table(delivery_id.accepted_ms).get(_PARTITION, _row(delivery_id)) is not None:
            self.write(delivery_id, delivery)

    def write_malformed(self, at: datetime, digest: str, body: bytes, reason: str) -> str:
        """Keeps a message that cannot be read; returns the id of its line. One that is kept already stays as it is."""
        table = self._table(to_ms(at))
        entity = {
            "PartitionKey": _PARTITION,
            "RowKey": f"{newest_first(to_ms(at))}-{digest}",
            "Status": "failed",
            "Type": "",
            "Reason": reason,
            "Message": body,
        }
        if table.insert(entity) is Written.NO_TABLE:
            table.create()
            table.insert(entity)
        return f"{to_ms(at):012X}-{digest}"

    def log(
        self, filters: Filters, now: datetime, top: int, continuation: str | None = None
    ) -> Page[Logged | Malformed]:
        """The lines of all endpoints. Raises ValueError on a continuation that is not ours."""
        return self._log.page(replace(filters, status="failed"), now, top, continuation, _read)

    def malformed(self, line_id: str) -> Malformed | None:
        """One line that is no delivery, by its id."""
        place = _place(line_id)
        entity = None if place is None else self._table(place[0]).get(_PARTITION, place[1])
        line = None if entity is None else _read(entity)
        return line if isinstance(line, Malformed) else None

    def _table(self, at_ms: int) -> Table:
        return self._services.table(table_name(_PREFIX, at_ms))


def _place(line_id: str) -> tuple[int, str] | None:
    """Acceptance time and row key of a line, by its id; None where it is the id of none."""
    delivery_id = DeliveryId.parse(line_id)
    if delivery_id is not None:
        return delivery_id.accepted_ms, _row(delivery_id)
    match = _LINE_ID.fullmatch(line_id.upper())
    return None if match is None else (int(match[1], 16), f"{newest_first(int(match[1], 16))}-{match[2]}")


def _row(delivery_id: DeliveryId) -> str:
    return f"{row_key(delivery_id)}-{delivery_id.endpoint}"


def _read(entity: TableEntity) -> Logged | Malformed:
    row = entity["RowKey"]
    if "Row" in entity:
        return delivery_id_of(row[40:], row), read_delivery(entity)
    line_id = f"{time_of(row):012X}-{row[13:]}"
    return Malformed(id=line_id, reason=entity["Reason"], message=entity["Message"].decode(errors="replace"))
