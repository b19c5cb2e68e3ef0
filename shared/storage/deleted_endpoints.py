"""Table `endpoints`, partition `deleted`: what endpoints were called, for a log that outlives them.

An entry is written before its endpoint is deleted, so that none is missed; one of an endpoint that is there after all
does no harm. It is encrypted as a URL is: a leaked table tells of no receiver.
"""

import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

from azure.data.tables import TableEntity

from shared.model import Endpoint
from shared.settings import SettingsError
from shared.storage.cipher import Cipher
from shared.storage.clients import Table

_PARTITION = "deleted"
_READERS = 8


class EndpointName(NamedTuple):
    """What people call an endpoint: its name where it has one, and the host of its URL."""

    name: str | None
    host: str


def name_of(endpoint: Endpoint) -> EndpointName:
    return EndpointName(endpoint.name, endpoint.host)


class DeletedEndpoints:
    """The names of endpoints that were deleted."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    def note(self, endpoint: Endpoint) -> None:
        """Keeps an endpoint's name, before it is deleted."""
        self._write(endpoint.id, name_of(endpoint))

    def names(self, endpoint_ids: Collection[str]) -> dict[str, EndpointName]:
        """By id, of those that are known. Reads a row for each id, some at once, and no other: a page of a
        log speaks of some hundreds, and there may be many more."""
        wanted = sorted(set(endpoint_ids))
        if not wanted:
            return {}
        with ThreadPoolExecutor(min(_READERS, len(wanted))) as readers:
            rows = readers.map(lambda each: self._table.get(_PARTITION, each), wanted)
            found = {row["RowKey"]: self._read(row) for row in rows if row is not None}
        return {each: name for each, name in found.items() if name is not None}

    def forget(self, before: datetime) -> int:
        """Drops what was noted before a time: no log speaks of it any more. Returns how many."""
        dropped = 0
        for row in self._rows():
            if _noted_at(row) < before:
                self._table.delete(_PARTITION, row["RowKey"])
                dropped += 1
        return dropped

    def reencrypt(self) -> int:
        """Writes anew what is not under the first key; returns how many."""
        rewritten = 0
        for row in self._rows():
            name = self._read(row)
            if name is not None and not self._cipher.is_current(row["Name"], _place(row["RowKey"])):
                self._write(row["RowKey"], name)
                rewritten += 1
        return rewritten

    def _rows(self) -> Iterator[TableEntity]:
        """A page at a time: whoever may register and delete can make as many as they want."""
        return self._table.query("PartitionKey eq @partition", {"partition": _PARTITION})

    def _write(self, endpoint_id: str, name: EndpointName) -> None:
        token = self._cipher.encrypt(json.dumps(name), _place(endpoint_id))
        self._table.upsert({"PartitionKey": _PARTITION, "RowKey": endpoint_id, "Name": token})

    def _read(self, row: TableEntity) -> EndpointName | None:
        """None where its key is not in SECRETS_KEY any more: a name is not worth an error."""
        try:
            return EndpointName(*json.loads(self._cipher.decrypt(row["Name"], _place(row["RowKey"]))))
        except SettingsError:
            return None


def _noted_at(row: TableEntity) -> datetime:
    at = row.metadata["timestamp"]
    return at if at is not None else datetime.now(UTC)


def _place(endpoint_id: str) -> str:
    return f"endpoints/{endpoint_id}/Deleted"
