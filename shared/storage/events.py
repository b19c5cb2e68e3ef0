"""Tables `events<week>`: every accepted event and who it is for. Its insert is the check for duplicates."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.model import Event, Stored, digest, from_ms, to_ms
from shared.storage import chunks
from shared.storage.clients import Services, Table, Written
from shared.storage.rows import RowFormat
from shared.storage.weeks import WEEK, oldest_kept, table_name, week_start, weeks_back

_ROW = "event"
_FIRST_CALL = "anchor"


class Recipient(Stored):
    """An endpoint that matched when the event was accepted, with what is fixed from then on."""

    id: str
    generation: int
    format: str


class EventRow(Stored):
    """An accepted event. `token` tells the publish call that inserted it; `fingerprint` hashes type and content."""

    event: Event
    accepted_ms: int
    recipients: tuple[Recipient, ...]
    token: str
    fingerprint: str
    traceparent: str
    erased: bool = False


_ROWS = RowFormat(EventRow, {"recipients": "addressees"})


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
        entity = event_entity(row)
        while True:
            match self._table(row.accepted_ms).insert(entity):
                case Written.DONE:
                    return row
                case Written.NO_TABLE:
                    self.create_week_tables(row.accepted_ms)
                case Written.CONFLICT:
                    stored = self.get(row.accepted_ms, key)
                    if stored is not None:  # else somebody took the row or the table away by hand
                        return stored

    def get(self, accepted_ms: int, key: str) -> EventRow | None:
        """The event of this digest accepted in the week of `accepted_ms`."""
        entity = self._table(accepted_ms).get(key, _ROW)
        return None if entity is None else read_event_row(entity)

    def find(self, idempotency_key: str, now: datetime) -> EventRow | None:
        """The newest event of this key that is still kept."""
        return next(self.find_all(idempotency_key, now), None)

    def find_all(self, idempotency_key: str, now: datetime) -> Iterator[EventRow]:
        """The events of this key that are still kept, the newest first: weeks apart a key may be used again."""
        key = digest(idempotency_key)
        for week in weeks_back(now, oldest_kept(now, self._retention)):
            row = self.get(to_ms(week), key)
            if row is not None:
                yield row

    def erase(self, row: EventRow) -> None:
        """Replaces the event's row by one that still answers duplicates but says nothing of the content."""
        nothing = row.event.model_copy(update={"content": "{}"})
        entity = event_entity(row.model_copy(update={"event": nothing, "erased": True}))
        self._table(row.accepted_ms).upsert(entity)

    def first_call_at(self, name: str, at_ms: int) -> int:
        """The time of the first call by this name, in this week or the one before: `at_ms` where this is the first."""
        self.create_week_tables(at_ms)
        entity = {"PartitionKey": digest(name), "RowKey": _FIRST_CALL, "At": str(at_ms)}
        for week_ms in (at_ms, at_ms - round(WEEK.total_seconds() * 1000)):
            stored = self._table(week_ms).get(entity["PartitionKey"], _FIRST_CALL)
            if stored is not None:
                return int(stored["At"])
        if self._table(at_ms).insert(entity) is Written.DONE:
            return at_ms
        return self.first_call_at(name, at_ms)

    def create_week_tables(self, accepted_ms: int) -> None:
        """Makes the tables of a week. The events table last: once it is there, publishing relies on the others."""
        for prefix in ("deliveries", "failures", "events"):
            self._services.table(table_name(prefix, accepted_ms)).create()

    def _table(self, at_ms: int) -> Table:
        return self._services.table(table_name("events", at_ms))


def event_entity(row: EventRow) -> dict[str, str | bytes]:
    """An accepted event as a row."""
    return {"PartitionKey": digest(row.event.key), "RowKey": _ROW, **chunks.split("Row", _ROWS.dump(row))}


def read_event_row(entity: Mapping[str, Any]) -> EventRow:
    """What is stored of an accepted event."""
    return _ROWS.load(chunks.join("Row", entity))
