"""Tables `events<week>`: every accepted event and who it is for. Its insert is the check for duplicates.

An event's row is named by a digest of its idempotency key. A key belongs to its publisher: whoever finds another
publisher's event under the name takes one of its own, made of publisher and key, and leaves a note of it beside the
first. So the first event of a key, which nearly every one is, costs one insert, and all events of a key are found.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.model import Event, Stored, digest, event_id, from_ms, to_ms
from shared.storage import chunks
from shared.storage.clients import Services, Table, Written
from shared.storage.rows import RowFormat
from shared.storage.weeks import WEEK, oldest_kept, table_name, week_start, weeks_back

_ROW = "event"
_FIRST_CALL = "anchor"
_PUT = "put"
_APART = "apart-"
"""Row keys of the notes that say whose further events of a key there are."""


class Recipient(Stored):
    """An endpoint that matched when the event was accepted, with what is fixed from then on."""

    id: str
    generation: int
    format: str
    sequence: str = ""
    """Of the deliveries to it that come one after the other; empty where the endpoint is not ordered."""


class EventRow(Stored):
    """An accepted event. `token` tells the publish call that inserted it; `fingerprint` hashes type and content.
    `publisher` is the directory object that published it, or the app; versions before this one kept none. It is in
    `apart` too where another publisher's event had the key first."""

    event: Event
    publisher: str = ""
    apart: str = ""
    accepted_ms: int
    recipients: tuple[Recipient, ...]
    token: str
    fingerprint: str
    traceparent: str
    erased: bool = False

    @property
    def id(self) -> str:
        return event_id(self.event.key, self.apart)

    def is_of(self, publisher: str) -> bool:
        """Whether it is this publisher's, as far as that is known."""
        return publisher == self.publisher or not publisher or not self.publisher


_ROWS = RowFormat(EventRow, {"recipients": "addressees"})


class Events:
    """One entity an event, by its id."""

    def __init__(self, services: Services, dedupe: timedelta, retention: timedelta) -> None:
        self._services = services
        self._dedupe = dedupe
        self._retention = retention

    def insert(self, row: EventRow) -> EventRow:
        """The row that now stands for this key of this publisher: the given one, or an earlier one.

        Duplicates are found within the week, and in the first DEDUPE_HOURS of a week in the one before too.
        """
        earlier = self._of_last_week(row)
        if earlier is not None:
            return earlier
        stored = self._insert(row)
        if stored.is_of(row.publisher):
            return stored
        apart = row.model_copy(update={"apart": row.publisher})
        note = {"PartitionKey": row.id, "RowKey": _APART + apart.id, "Publisher": row.publisher}
        self._table(row.accepted_ms).upsert(note)
        return self._insert(apart)

    def known(self, row: EventRow) -> EventRow | None:
        """The earlier row that stands for this key of this publisher, if there is one."""
        return self._of_last_week(row) or self._of_week(row.accepted_ms, row)

    def note_put(self, row: EventRow) -> None:
        """Marks an event all of whose messages are on the queue: a repeated publish need not look."""
        self._table(row.accepted_ms).upsert({"PartitionKey": row.id, "RowKey": _PUT})

    def is_put(self, row: EventRow) -> bool:
        return self._table(row.accepted_ms).get(row.id, _PUT) is not None

    def _of_last_week(self, row: EventRow) -> EventRow | None:
        accepted_at = from_ms(row.accepted_ms)
        if accepted_at - week_start(accepted_at) >= self._dedupe:
            return None
        last_week_ms = to_ms(week_start(accepted_at)) - 1
        if self._table(last_week_ms).missing:  # nobody makes the table of a week that is over
            return None
        return self._of_week(last_week_ms, row)

    def _of_week(self, at_ms: int, row: EventRow) -> EventRow | None:
        """What a week holds for the key of a row, and its publisher."""
        stored = self.get(at_ms, event_id(row.event.key))
        if stored is None or stored.is_of(row.publisher):
            return stored
        return self.get(at_ms, event_id(row.event.key, row.publisher))

    def _insert(self, row: EventRow) -> EventRow:
        """The row of this id: the given one, or an earlier one."""
        entity = event_entity(row)
        while True:
            match self._table(row.accepted_ms).insert(entity):
                case Written.DONE:
                    return row
                case Written.NO_TABLE:
                    self.create_week_tables(row.accepted_ms)
                case Written.CONFLICT:
                    stored = self.get(row.accepted_ms, row.id)
                    if stored is not None:  # else somebody took the row or the table away by hand
                        return stored

    def get(self, accepted_ms: int, event: str) -> EventRow | None:
        """The event of this id accepted in the week of `accepted_ms`."""
        entity = self._table(accepted_ms).get(event, _ROW)
        return None if entity is None else read_event_row(entity)

    def find(self, idempotency_key: str, now: datetime, publisher: str = "") -> EventRow | None:
        """The newest event of this key that is still kept; of this publisher, where one is given."""
        return next((row for row in self.find_all(idempotency_key, now) if row.is_of(publisher)), None)

    def newest(self, idempotency_key: str, now: datetime) -> list[EventRow]:
        """Those of the newest week in which the key was used: one of each of its publishers, the newest first."""
        weeks = (self._all_of_week(week, idempotency_key) for week in self._weeks(now))
        return next((rows for rows in weeks if rows), [])

    def find_all(self, idempotency_key: str, now: datetime) -> Iterator[EventRow]:
        """The events of this key that are still kept, the newest first: weeks apart a key may be used again, and each
        publisher has its own."""
        for week_ms in self._weeks(now):
            yield from self._all_of_week(week_ms, idempotency_key)

    def _weeks(self, now: datetime) -> Iterator[int]:
        return map(to_ms, weeks_back(now, oldest_kept(now, self._retention)))

    def _all_of_week(self, at_ms: int, idempotency_key: str) -> list[EventRow]:
        found: list[EventRow | None] = []
        for entity in self._table(at_ms).query("PartitionKey eq @key", {"key": event_id(idempotency_key)}):
            if entity["RowKey"] == _ROW:
                found.append(read_event_row(entity))
            elif entity["RowKey"].startswith(_APART):
                found.append(self.get(at_ms, event_id(idempotency_key, entity["Publisher"])))
        # a note may be without its event: its publisher's call ended between the two
        return sorted((row for row in found if row is not None), key=_acceptance, reverse=True)

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


def _acceptance(row: EventRow) -> int:
    return row.accepted_ms


def event_entity(row: EventRow) -> dict[str, str | bytes]:
    """An accepted event as a row."""
    return {"PartitionKey": row.id, "RowKey": _ROW, **chunks.split("Row", _ROWS.dump(row))}


def read_event_row(entity: Mapping[str, Any]) -> EventRow:
    """What is stored of an accepted event."""
    return _ROWS.load(chunks.join("Row", entity))
