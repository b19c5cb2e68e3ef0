"""Table `notices`: failed deliveries of which nobody was told yet, and when each endpoint's were last told of.

What fails is noted in a row of its own, so that a hundred failures at once write no row together. What is told is fixed
in the endpoint's row first, on condition that nobody else tells; whoever finds it there finishes it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from azure.data.tables import TableEntity

from shared.model import Event, Stored, digest, to_ms
from shared.storage.clients import Services, Written
from shared.storage.rows import RowFormat, Versioned, etag_of

_UNTOLD, _TOLD = "untold", "told"
MOST_AT_ONCE = 500
"""Failures that one event tells of; more are told with the next."""


class Failure(Stored):
    """A failed delivery, as `webhook.delivery_failed` tells of it."""

    delivery_id: str
    endpoint_id: str
    event_type: str
    idempotency_key: str
    attempts: int
    reason: str
    at_ms: int


class Told(Stored):
    """When an endpoint's failures were last told of, and which, by the rest of their row keys; `event` until it is
    published."""

    at_ms: int
    failures: tuple[str, ...]
    event: Event | None = None


_FAILURES = RowFormat(Failure, {})
_ROWS = RowFormat(Told, {})


class Notices:
    """Rows by endpoint. As a store of `Told` it is for the loop of storage/rows.py."""

    def __init__(self, services: Services) -> None:
        self._table = services.table("notices")

    def note(self, failure: Failure, schedule: int) -> None:
        """Notes a failure, once for each schedule of its delivery, however often it is told here."""
        row = f"{failure.endpoint_id}-{digest(f'{failure.delivery_id}:{schedule}')}"
        self._insert({"PartitionKey": _UNTOLD, "RowKey": row, "Row": _FAILURES.dump(failure)})

    def untold(self, endpoint_id: str) -> dict[str, Failure]:
        """The first MOST_AT_ONCE failures of an endpoint, by the rest of their row keys."""
        found: dict[str, Failure] = {}
        condition = "PartitionKey eq @partition and RowKey gt @after and RowKey lt @before"
        between = {"after": f"{endpoint_id}-", "before": f"{endpoint_id}."}
        for entity in self._table.query(condition, {"partition": _UNTOLD, **between}, MOST_AT_ONCE):
            found[entity["RowKey"][len(endpoint_id) + 1 :]] = _FAILURES.load(entity["Row"])
            if len(found) == MOST_AT_ONCE:
                break
        return found

    def waiting(self) -> Iterator[str]:
        """The endpoints of which there is something to tell. Reads a key of each, however much that is."""
        condition, after = "PartitionKey eq @partition and RowKey gt @after", ""
        while True:
            values = {"partition": _UNTOLD, "after": after}
            row = next(self._table.query(condition, values, page=1, select=["RowKey"]), None)
            if row is None:
                return
            endpoint_id = row["RowKey"].partition("-")[0]
            yield endpoint_id
            after = f"{endpoint_id}."

    def forget(self, endpoint_id: str, failures: Iterable[str]) -> None:
        """Drops what was told."""
        for each in failures:
            self._table.delete(_UNTOLD, f"{endpoint_id}-{each}")

    def drop_older(self, than: datetime) -> None:
        """Drops what says no more than that an endpoint, perhaps deleted since, was told of before a time, and failures
        of before it that are untold: more fail than are told of, and the alert log has them all."""
        for entity in self._rows(_TOLD):
            told: Told = _ROWS.load(entity["Row"])
            if told.event is None and told.at_ms < to_ms(than):
                self._table.remove(_TOLD, entity["RowKey"], etag_of(entity))
        for entity in self._rows(_UNTOLD):
            if _FAILURES.load(entity["Row"]).at_ms < to_ms(than):
                self._table.delete(_UNTOLD, entity["RowKey"])

    def _rows(self, partition: str) -> Iterator[TableEntity]:
        return self._table.query("PartitionKey eq @partition", {"partition": partition})

    def get(self, endpoint_id: str) -> Versioned[Told] | None:
        entity = self._table.get(_TOLD, endpoint_id)
        return None if entity is None else Versioned(_ROWS.load(entity["Row"]), etag_of(entity))

    def insert(self, endpoint_id: str, told: Told) -> Written:
        return self._insert(_told_entity(endpoint_id, told))

    def replace(self, endpoint_id: str, told: Told, etag: str) -> Written:
        return self._table.replace(_told_entity(endpoint_id, told), etag)

    def _insert(self, entity: dict[str, str | bytes]) -> Written:
        written = self._table.insert(entity)
        if written is Written.NO_TABLE:
            self._table.create()
            written = self._table.insert(entity)
        return written


def _told_entity(endpoint_id: str, told: Told) -> dict[str, str | bytes]:
    return {"PartitionKey": _TOLD, "RowKey": endpoint_id, "Row": _ROWS.dump(told)}
