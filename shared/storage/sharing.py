"""Table `sharing`: how the polls of the audit feed stand, and which contents are taken care of. Tables `sharing<week>`:
which records were told, by the week in which they were made.

Contents are marked by tens of minutes of their arrival, many in a row, so that a tenant with much else in its audit log
costs no more rows. A record has a row once it was told; one about anything else has none.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from shared.model import Stored, digest, to_ms
from shared.model.sharing import PollState
from shared.storage import chunks
from shared.storage.clients import Services, Table, Written
from shared.storage.rows import RowFormat, Versioned, etag_of
from shared.storage.weeks import table_name

_STATE, _CONTENTS, _PARKED = "state", "contents", "parked"
_POLLS, _TOLD, _TWIN = "polls", "told", "twin"
_SPAN = timedelta(minutes=10)
_APART = timedelta(minutes=2)
"""By no more are two records of one action apart."""

S = TypeVar("S", bound=Stored)


class ParkedContent(Stored):
    """A content that could not be read and is tried again, until it expires."""

    id: str
    uri: str
    created_at: datetime
    expires_at: datetime
    tries: int = 1
    try_at: datetime


class Twin(Stored):
    """Which record of an action tells a fact, and which other one, of another operation, does not any more."""

    operation: str
    first: str
    second: str | None = None


class _Contents(Stored):
    marks: tuple[str, ...] = ()


class Sharing:
    """Rows of the polls. Who changes the state does so on condition that nobody else has."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._table = services.table("sharing")

    def state(self) -> Versioned[PollState] | None:
        entity = self._table.get(_STATE, _POLLS)
        if entity is None:
            return None
        return Versioned(RowFormat(PollState, {}).load(chunks.join("Row", entity)), etag_of(entity))

    def write_state(self, state: PollState, stored: Versioned[PollState] | None) -> Written:
        """CONFLICT where somebody else has written it since `stored` was read."""
        entity = _entity(_STATE, _POLLS, state)
        if stored is not None:
            return self._table.replace(entity, stored.etag)
        while (written := self._table.insert(entity)) is Written.NO_TABLE:
            self._table.create()
        return written

    def marks(self, since: datetime) -> dict[str, set[str]]:
        """Of the contents that arrived since then and are taken care of, by the span of their arrival."""
        condition = "PartitionKey eq @partition and RowKey ge @first"
        found = self._table.query(condition, {"partition": _CONTENTS, "first": span_of(since)})
        return {each["RowKey"]: set(_load(_Contents, each).marks) for each in found}

    def write_marks(self, span: str, marks: Collection[str]) -> None:
        self._table.upsert(_entity(_CONTENTS, span, _Contents(marks=tuple(sorted(marks)))))

    def forget_marks(self, before: datetime) -> None:
        condition = "PartitionKey eq @partition and RowKey lt @end"
        for each in list(self._table.query(condition, {"partition": _CONTENTS, "end": span_of(before)})):
            self._table.delete(_CONTENTS, each["RowKey"])

    def parked(self) -> list[ParkedContent]:
        """Those that wait for another try."""
        found = self._table.query("PartitionKey eq @partition", {"partition": _PARKED})
        return [_load(ParkedContent, each) for each in found]

    def park(self, content: ParkedContent) -> None:
        self._table.upsert(_entity(_PARKED, digest(content.id), content))

    def unpark(self, content_id: str) -> None:
        self._table.delete(_PARKED, digest(content_id))

    def is_told(self, record_id: str, made_at: datetime) -> bool:
        return self._week(made_at).get(digest(record_id), _TOLD) is not None

    def mark_told(self, record_id: str, made_at: datetime) -> None:
        self._insert(self._week(made_at), {"PartitionKey": digest(record_id), "RowKey": _TOLD})

    def twin_tells(self, names: Sequence[str], made_at: datetime, record_id: str, operation: str) -> bool:
        """Whether another record tells the fact of this one, and this one nothing. Each pair of two operations counts
        once; whoever asks again with the same record is told the same."""
        while True:
            found = list(self._twins(names, made_at))
            for _, _, (twin, _) in found:
                if record_id in (twin.first, twin.second):
                    return twin.second == record_id
            written = self._join(found, record_id, operation)
            if written is Written.DONE:
                return True
            if written is None:
                written = self._begin(names[0], made_at, found, Twin(operation=operation, first=record_id))
            if written is Written.DONE:
                return False

    def _twins(self, names: Sequence[str], made_at: datetime) -> Iterator[tuple[Table, str, Versioned[Twin]]]:
        """What was noted under these names, where the two records may be on two sides of a week's end too."""
        near = (self._week(made_at + each) for each in (-_APART, timedelta(), _APART))
        for table in {table.name: table for table in near}.values():
            for name in names:
                entity = table.get(name, _TWIN)
                if entity is not None:
                    yield table, name, Versioned(_load(Twin, entity), etag_of(entity))

    def _join(
        self, found: Sequence[tuple[Table, str, Versioned[Twin]]], record_id: str, operation: str
    ) -> Written | None:
        """Makes the record the second one of a pair; None where none waits for it."""
        for table, name, (twin, etag) in found:
            if twin.operation != operation and twin.second is None:
                pair = twin.model_copy(update={"second": record_id})
                return table.replace(_entity(name, _TWIN, pair), etag)
        return None

    def _begin(
        self, name: str, made_at: datetime, found: Sequence[tuple[Table, str, Versioned[Twin]]], twin: Twin
    ) -> Written:
        """Notes the record as the first one, unless another one of its kind is there: that one has the place."""
        table = self._week(made_at)
        if any((each.name, at) == (table.name, name) for each, at, _ in found):
            return Written.DONE
        return self._insert(table, _entity(name, _TWIN, twin))

    def _insert(self, table: Table, entity: Mapping[str, str | bytes]) -> Written:
        while (written := table.insert(entity)) is Written.NO_TABLE:
            table.create()
        return written

    def _week(self, made_at: datetime) -> Table:
        return self._services.table(table_name("sharing", to_ms(made_at)))


def span_of(at: datetime) -> str:
    """`202611201020` for what arrived from 10:20 on and before 10:30."""
    return f"{at - timedelta(minutes=at.minute % (_SPAN // timedelta(minutes=1))):%Y%m%d%H%M}"


def _load(kind: type[S], entity: Mapping[str, object]) -> S:
    return RowFormat(kind, {}).load(chunks.join("Row", entity))


def _entity(partition: str, row: str, value: Stored) -> dict[str, str | bytes]:
    return {"PartitionKey": partition, "RowKey": row, **chunks.split("Row", RowFormat(type(value), {}).dump(value))}
