"""Filters, pages and continuations of the lists that are kept in weekly tables, newest first."""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from azure.data.tables import TableEntity

from shared.model import Status, from_ms, to_ms
from shared.storage.clients import Services
from shared.storage.weeks import newest_first, oldest_kept, table_name, time_of, weeks_back

_ROW_KEY = re.compile(r"[0-7][0-9A-F]{11}-[A-Z2-7]{26}(-[A-Z2-7]{26})?")
_CLOCKS_DIFFER = timedelta(minutes=5)

T = TypeVar("T")


@dataclass(frozen=True)
class Filters:
    """What a list of deliveries is narrowed to; times are of acceptance, `since` inclusive, `until` exclusive."""

    status: Status | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list, and where the next part begins (None at its end)."""

    items: list[T]
    continuation: str | None


class WeeklyLog:
    """Rows of one partition across the tables of a prefix, one table a week, as far back as they are kept."""

    def __init__(self, services: Services, prefix: str, partition: str, retention: timedelta) -> None:
        self._services = services
        self._prefix = prefix
        self._partition = partition
        self._retention = retention

    def page(
        self,
        filters: Filters,
        now: datetime,
        top: int,
        continuation: str | None,
        read: Callable[[TableEntity], T],
    ) -> Page[T]:
        """Up to `top` rows, newest first. Raises ValueError on a continuation that is not ours."""
        after = read_continuation(continuation, _ROW_KEY)
        condition, values = _condition(self._partition, filters, after)
        oldest, newest = oldest_kept(now, self._retention), now + _CLOCKS_DIFFER
        if filters.until is not None:
            newest = min(newest, filters.until)
        if filters.since is not None:
            oldest = max(oldest, filters.since)
        if after:
            newest = min(newest, from_ms(time_of(after)))
        found = list(self._rows(condition, values, newest, oldest, top + 1))  # one too many: there is a next page
        items = [read(entity) for entity in found[:top]]
        return Page(items, continuation_at(found[top - 1]["RowKey"]) if len(found) > top else None)

    def count(self, filters: Filters, now: datetime, most: int) -> int:
        """How many rows there are, up to `most`; only their keys are read."""
        condition, values = _condition(self._partition, filters, "")
        oldest = oldest_kept(now, self._retention)
        return sum(1 for _ in self._rows(condition, values, now + _CLOCKS_DIFFER, oldest, most, ["RowKey"]))

    def _rows(
        self,
        condition: str,
        values: dict[str, str],
        newest: datetime,
        oldest: datetime,
        count: int,
        select: Sequence[str] | None = None,
    ) -> Iterator[TableEntity]:
        for week in weeks_back(newest, oldest):
            table = self._services.table(table_name(self._prefix, to_ms(week)))
            for entity in table.query(condition, values, page=min(count, 1000), select=select):
                yield entity
                count -= 1
                if count == 0:
                    return


def _condition(partition: str, filters: Filters, after: str) -> tuple[str, dict[str, str]]:
    """The query, and the values of its parameters."""
    values = {"partition": partition, "after": after}
    condition = "PartitionKey eq @partition and RowKey gt @after"
    if filters.until is not None:
        values["until"] = newest_first(to_ms(filters.until) - 1)
        condition += " and RowKey ge @until"
    if filters.since is not None:
        values["since"] = newest_first(to_ms(filters.since) - 1)
        condition += " and RowKey lt @since"
    if filters.status:
        values["status"] = filters.status
        condition += " and Status eq @status"
    if filters.type:
        values["type"] = filters.type
        condition += " and Type eq @type"
    return condition, values


def continuation_at(row: str) -> str:
    """Where the next page begins: after this row key."""
    return base64.urlsafe_b64encode(row.encode()).decode()


def read_continuation(token: str | None, pattern: re.Pattern[str]) -> str:
    """The row key after which a page begins. Raises ValueError where it is none of this pattern."""
    if token is None:
        return ""
    row = base64.urlsafe_b64decode(token).decode()
    if not pattern.fullmatch(row):
        raise ValueError("not a continuation")
    return row
