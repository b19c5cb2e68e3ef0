"""Tables `counts<week>`: what happened in each hour, and the newest of it, for people to look at.

Each process counts in memory and writes a row of its own for the hour, a few seconds after something has changed: no
delivery waits for it or pays for it, and nothing is read. A process that is killed loses what it had not written. So
these are figures to look at; nothing is decided by them.
"""

import contextlib
import json
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from shared import logs
from shared.model import DeliveryId, Event, Severity, to_ms, utc_text
from shared.storage import chunks
from shared.storage.clients import Services, StorageUnavailable, Written
from shared.storage.weeks import table_name, weeks_back

_PREFIX = "counts"
WRITE_AFTER_SECONDS = 5.0
MOST_NEWEST = 100
"""Of events, and of deliveries, that a process remembers of an hour."""
HOUR = timedelta(hours=1)
_KEPT_HOURS = 2
"""In memory after they are written: an attempt that began before the hour was over may still be counted."""
_MOST_CHUNKS = 8

Outcome = Literal["delivered", "failedAttempts", "exhausted", "cancelled"]
Later = Callable[[float, Callable[[], None]], None]
"""Runs a function in so many seconds, in a thread of its own."""


class NewEvent(NamedTuple):
    """An event as it was accepted; `deliveries` is how many endpoints matched."""

    at: datetime
    key: str
    type: str
    severity: Severity
    deliveries: int


class NewDelivery(NamedTuple):
    """A delivery of which something was recorded at this time."""

    at: datetime
    id: str


Item = TypeVar("Item", NewEvent, NewDelivery)


@dataclass
class Hour:
    """What happened in an hour: how many events were accepted, what became of attempts and deliveries by endpoint, and
    the newest of both. `row` names the row that it is written to: an hour that was forgotten and has something added
    after all is another one."""

    row: str = field(default_factory=lambda: secrets.token_hex(8))
    accepted: int = 0
    endpoints: dict[str, dict[Outcome, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    events: deque[NewEvent] = field(default_factory=lambda: deque(maxlen=MOST_NEWEST))
    deliveries: deque[NewDelivery] = field(default_factory=lambda: deque(maxlen=MOST_NEWEST))

    def add(self, other: "Hour") -> None:
        self.accepted += other.accepted
        for endpoint_id, outcomes in other.endpoints.items():
            for outcome, number in outcomes.items():
                self.endpoints[endpoint_id][outcome] += number


def in_a_thread(seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


class Counts:
    """Counts in memory; `later` is when that is written."""

    def __init__(self, services: Services, later: Later = in_a_thread) -> None:
        self._services = services
        self._later = later
        self._lock = threading.Lock()
        self._hours: dict[datetime, Hour] = {}
        self._changed: set[datetime] = set()
        self._scheduled = False

    def accepted(self, at: datetime, event: Event, deliveries: int) -> None:
        with self._changing(at) as hour:
            hour.accepted += 1
            hour.events.append(NewEvent(whole_ms(at), event.key, event.type, event.severity, deliveries))

    def came(self, at: datetime, delivery_id: DeliveryId, outcome: Outcome) -> None:
        """Notes what an attempt brought, or how a delivery ended."""
        with self._changing(at) as hour:
            hour.endpoints[delivery_id.endpoint][outcome] += 1
            hour.deliveries.append(NewDelivery(whole_ms(at), str(delivery_id)))

    def write(self) -> None:
        """Writes what is not written yet, and forgets hours that are over; what storage does not take comes later."""
        with self._lock:
            self._scheduled = False
            rows = [(start, _row(start, self._hours[start])) for start in sorted(self._changed)]
            self._changed.clear()
        try:
            for start, row in rows:
                self._upsert(start, row)
        except StorageUnavailable as error:
            logs.warning("counts.postponed", reason=str(error))
            with self._lock:
                self._changed |= {start for start, _ in rows}
                self._schedule()
            return
        with self._lock:
            for start in sorted(self._hours.keys() - self._changed)[:-_KEPT_HOURS]:
                del self._hours[start]

    def hours(self, since: datetime, now: datetime) -> dict[datetime, Hour]:
        """All processes' counts, by the start of the hour; up to some seconds old."""
        found: dict[datetime, Hour] = defaultdict(Hour)
        with self._lock:  # which every delivery takes: for what is in memory only
            own = {hour.row for hour in self._hours.values()}
            for start, hour in self._hours.items():
                if start >= hour_of(since):
                    found[start].add(hour)
        for start, hour in self._read(since, now, newest=False):
            if hour.row not in own:
                found[start].add(hour)
        return dict(found)

    def noted(self, first: datetime, last: datetime, of: Callable[[Hour], Iterable[Item]]) -> list[Item]:
        """What all processes noted in the hours of two times and between them, in no order; a query for each week's
        table. Times are whole milliseconds, as rows keep them."""
        first, last = hour_of(first), hour_of(last)
        with self._lock:
            own = [hour for start, hour in self._hours.items() if first <= start <= last]
            items = [item for hour in own for item in of(hour)]
        rows = {hour.row for hour in own}
        return items + [
            item for _, hour in self._read(first, last, newest=True) if hour.row not in rows for item in of(hour)
        ]

    @contextlib.contextmanager
    def _changing(self, at: datetime) -> Iterator[Hour]:
        """The hour of a time, while it is changed."""
        with self._lock:
            self._schedule()
            self._changed.add(hour_of(at))
            yield self._hours.setdefault(hour_of(at), Hour())

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._later(WRITE_AFTER_SECONDS, self.write)

    def _upsert(self, start: datetime, row: Mapping[str, Any]) -> None:
        table = self._services.table(table_name(_PREFIX, to_ms(start)))
        if table.upsert(row) is Written.NO_TABLE:
            table.create()
            table.upsert(row)

    def _read(self, since: datetime, until: datetime, newest: bool) -> Iterator[tuple[datetime, Hour]]:
        values = {"first": _partition(hour_of(since)), "last": _partition(hour_of(until))}
        condition = "PartitionKey ge @first and PartitionKey le @last"
        part = "Newest" if newest else "Counts"
        for week in weeks_back(until, since):
            table = self._services.table(table_name(_PREFIX, to_ms(week)))
            columns = ["PartitionKey", "RowKey", *(f"{part}{at}" for at in range(_MOST_CHUNKS))]
            for entity in table.query(condition, values, select=columns):
                stored = json.loads(chunks.join(part, entity) or b"{}")
                start = datetime.strptime(entity["PartitionKey"], "%Y%m%d%H").replace(tzinfo=UTC)
                hour = Hour(row=entity["RowKey"])
                (_take_newest if newest else _take_counts)(hour, stored)
                yield start, hour


def whole_ms(at: datetime) -> datetime:
    """As a row keeps it: so all processes see an item at the same time, the one that noted it too."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def hour_of(at: datetime) -> datetime:
    """When the hour of a time began."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _partition(start: datetime) -> str:
    return f"{start:%Y%m%d%H}"


def _row(start: datetime, hour: Hour) -> dict[str, Any]:
    counts = {"accepted": hour.accepted, "endpoints": {name: dict(found) for name, found in hour.endpoints.items()}}
    newest = {
        "events": [[utc_text(each.at), *each[1:]] for each in hour.events],
        "deliveries": [[utc_text(each.at), each.id] for each in hour.deliveries],
    }
    return {
        "PartitionKey": _partition(start),
        "RowKey": hour.row,
        **chunks.split("Counts", json.dumps(counts, separators=(",", ":")).encode()),
        **chunks.split("Newest", json.dumps(newest, separators=(",", ":")).encode()),
    }


def _take_counts(hour: Hour, stored: Mapping[str, Any]) -> None:
    hour.accepted = stored.get("accepted", 0)
    for endpoint_id, outcomes in stored.get("endpoints", {}).items():
        for outcome in get_args(Outcome):
            hour.endpoints[endpoint_id][outcome] += outcomes.get(outcome, 0)


def _take_newest(hour: Hour, stored: Mapping[str, Any]) -> None:
    hour.events.extend(NewEvent(datetime.fromisoformat(at), *rest) for at, *rest in stored.get("events", []))
    hour.deliveries.extend(NewDelivery(datetime.fromisoformat(at), each) for at, each in stored.get("deliveries", []))
