"""Tables `events<week>`: every accepted event and who it is for. Its insert is the check for duplicates."""

from datetime import datetime, timedelta

from shared.model import Event, Model, digest, from_ms, to_ms
from shared.storage import chunks
from shared.storage.clients import Services, Table, Written
from shared.storage.weeks import GRACE, table_name, week_start, weeks_back

_ROW = "event"


class Addressee(Model):
    """An endpoint that matched when the event was accepted, with what is fixed from then on."""

    id: str
    generation: int
    format: str


class EventRow(Model):
    """An accepted event. `token` tells the publish call that inserted it; `fingerprint` hashes type and content."""

    event: Event
    accepted_ms: int
    addressees: tuple[Addressee, ...]
    token: str
    fingerprint: str
    traceparent: str


class Events:
    """One entity an event, alone in its partition, named by a digest of the idempotency key."""

    def __init__(self, services: Services, dedupe: timedelta, retention: timedelta) -> None:
        self._services = services
        self._dedupe = dedupe
        self._retention = retention

    def insert(self, row: EventRow) -> EventRow:
        """The row that now stands for this key: the given one, or an earlier one.

        Duplicates are found within the week, and in the first DEDUPE_HOURS of a week in the one before too.
        """
        key, accepted_at = digest(row.event.key), from_ms(row.accepted_ms)
        if accepted_at - week_start(accepted_at) < self._dedupe:
            last_week_ms = to_ms(week_start(accepted_at)) - 1
            if not self._table(last_week_ms).missing:  # nobody makes the table of a week that is over
                earlier = self.get(last_week_ms, key)
                if earlier is not None:
                    return earlier
        entity = {"PartitionKey": key, "RowKey": _ROW, **chunks.split("Row", row.model_dump_json().encode())}
        while True:
            match self._table(row.accepted_ms).insert(entity):
                case Written.DONE:
                    return row
                case Written.NO_TABLE:
                    self._create_week(row.accepted_ms)
                case Written.CONFLICT:
                    known = self.get(row.accepted_ms, key)
                    if known is not None:  # else it was erased in between
                        return known

    def get(self, accepted_ms: int, key: str) -> EventRow | None:
        """The event of this digest accepted in the week of `accepted_ms`."""
        entity = self._table(accepted_ms).get(key, _ROW)
        return None if entity is None else EventRow.model_validate_json(chunks.join("Row", entity))

    def find(self, idempotency_key: str, now: datetime) -> EventRow | None:
        """The newest event of this key that is still kept."""
        key = digest(idempotency_key)
        for week in weeks_back(now, now - self._retention - GRACE):
            row = self.get(to_ms(week), key)
            if row is not None:
                return row
        return None

    def _create_week(self, accepted_ms: int) -> None:
        """The events table last: once it is there, publishing relies on the others."""
        for prefix in ("deliveries", "failures", "events"):
            self._services.table(table_name(prefix, accepted_ms)).create()

    def _table(self, at_ms: int) -> Table:
        return self._services.table(table_name("events", at_ms))
