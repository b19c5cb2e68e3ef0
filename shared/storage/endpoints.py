"""Table `endpoints`: registered receivers and, in rows of their own, their health."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from shared.model import Endpoint, Health
from shared.model.health import of_generation
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, Table, Written
from shared.storage.deleted_endpoints import DeletedEndpoints, EndpointName, name_of
from shared.storage.endpoint_rows import EndpointRows
from shared.storage.rows import Versioned, change, etag_of
from shared.storage.snapshot import Snapshot

PARTITION = "endpoints"
_HEALTH = ".health"


class Endpoints:
    """Endpoints by id. What every event asks for comes from a snapshot of the whole table that is some seconds old at
    most; what is to be changed is in `rows`."""

    def __init__(self, services: Services, cipher: Cipher) -> None:
        table = services.table(PARTITION)
        self._table = table
        self._format = EndpointRows(cipher)
        self._snapshot = Snapshot(self._query)
        self._health = _HealthRows(table, self._note_health)
        self.deleted = DeletedEndpoints(table, cipher)
        self.rows = _Rows(table, self._format, self.deleted, self._note)

    def all(self) -> list[Endpoint]:
        """Read from the snapshot, which may be some seconds old."""
        return list(self._snapshot.get().values())

    def get(self, endpoint_id: str) -> Endpoint | None:
        """From the snapshot."""
        return self._snapshot.get().get(endpoint_id)

    async def get_on_loop(self, endpoint_id: str, in_thread: Callable[..., Awaitable[Any]]) -> Endpoint | None:
        """As `get`, without keeping the loop."""
        return (await self._snapshot.get_on_loop(in_thread)).get(endpoint_id)

    def read_all(self) -> list[Endpoint]:
        """As stored now, in the order in which they were registered."""
        return sorted(self._query().values(), key=lambda endpoint: (endpoint.created_at, endpoint.id))

    def read(self, endpoint_id: str) -> Endpoint | None:
        """As stored now."""
        stored = self.rows.get(endpoint_id)
        return None if stored is None else stored.value

    def delete(self, endpoint_id: str) -> bool:
        """False where there is no such endpoint."""
        stored = self.rows.get(endpoint_id)
        if stored is None:
            return False
        self.deleted.note(stored.value)
        self._table.delete(PARTITION, endpoint_id)
        self._table.delete(PARTITION, endpoint_id + _HEALTH)
        self._note(endpoint_id, None)
        return True

    def names(self, endpoint_ids: Collection[str]) -> dict[str, EndpointName]:
        """What endpoints are called, or were before they were deleted, by id. Read from the snapshot as far as they
        are there."""
        here = self._snapshot.get()
        found = {each: name_of(here[each]) for each in endpoint_ids if each in here}
        return found | self.deleted.names([each for each in endpoint_ids if each not in found])

    def change_health(self, endpoint: Endpoint, transition: Callable[[Health], Health]) -> Endpoint:
        """Changes the health of a registration; returns the endpoint with its health as it then is. Health that belongs
        to a later registration of the URL stays as it is."""

        def change_this_generation(stored: Health | None) -> Health | None:
            health = of_generation(stored, endpoint.generation)
            if health.generation > endpoint.generation:
                return stored
            changed = transition(health)
            return stored if changed == health else changed

        health = change(self._health, endpoint.id, change_this_generation, self._health.get(endpoint.id))
        return endpoint.model_copy(update={"health": of_generation(health, endpoint.generation)})

    def reencrypt(self) -> int:
        """Writes anew what is not under the first key, or not bound to its place; returns how many endpoints it was."""
        rows = self._table.query("PartitionKey eq @partition", {"partition": PARTITION})
        old = [row["RowKey"] for row in rows if "Url" in row and not self._format.is_current(row)]
        rewritten = sum(change(self.rows, each, _written_anew, self.rows.get(each)) is not None for each in old)
        return rewritten + self.deleted.reencrypt()

    def _note(self, endpoint_id: str, endpoint: Endpoint | None) -> None:
        """Keeps the snapshot in step with a write: reading the table for each would cost more, the more there is."""

        def noted(endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
            others = {each: other for each, other in endpoints.items() if each != endpoint_id}
            return others if endpoint is None else others | {endpoint_id: endpoint}

        self._snapshot.change(noted)

    def _note_health(self, endpoint_id: str, health: Health) -> None:
        def noted(endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
            endpoint = endpoints.get(endpoint_id)
            if endpoint is None:
                return endpoints
            known = of_generation(health, endpoint.generation)
            return endpoints | {endpoint_id: endpoint.model_copy(update={"health": known})}

        self._snapshot.change(noted)

    def _query(self) -> dict[str, Endpoint]:
        rows = list(self._table.query("PartitionKey eq @partition", {"partition": PARTITION}))
        health = {row["RowKey"].removesuffix(_HEALTH): row for row in rows if row["RowKey"].endswith(_HEALTH)}
        endpoints = {row["RowKey"]: row for row in rows if not row["RowKey"].endswith(_HEALTH)}
        self._format.forget_others(endpoints)
        return {
            endpoint_id: self._format.endpoint(row, health.get(endpoint_id)) for endpoint_id, row in endpoints.items()
        }


class _Rows:
    """Endpoints as they are stored now, each read with its health and written without it."""

    def __init__(
        self,
        table: Table,
        row_format: EndpointRows,
        deleted: DeletedEndpoints,
        written: Callable[[str, Endpoint | None], None],
    ) -> None:
        self._table = table
        self._format = row_format
        self._deleted = deleted
        self._written = written

    def get(self, endpoint_id: str) -> Versioned[Endpoint] | None:
        row = self._table.get(PARTITION, endpoint_id)
        if row is None:
            return None
        return Versioned(self._format.endpoint(row, self._table.get(PARTITION, endpoint_id + _HEALTH)), etag_of(row))

    def insert(self, endpoint_id: str, endpoint: Endpoint) -> Written:
        while (written := self._table.insert(self._entity(endpoint))) is Written.NO_TABLE:
            self._table.create()
        return self._noted(written, endpoint_id, endpoint)

    def replace(self, endpoint_id: str, endpoint: Endpoint, etag: str) -> Written:
        return self._noted(self._table.replace(self._entity(endpoint), etag), endpoint_id, endpoint)

    def remove(self, endpoint_id: str, etag: str) -> Written:
        """Deletes an endpoint and its health; CONFLICT where it has changed since it was read."""
        stored = self.get(endpoint_id)
        if stored is not None:
            self._deleted.note(stored.value)
        removed = self._table.remove(PARTITION, endpoint_id, etag)
        if removed is Written.DONE:
            self._table.delete(PARTITION, endpoint_id + _HEALTH)
        return self._noted(removed, endpoint_id, None)

    def _noted(self, written: Written, endpoint_id: str, endpoint: Endpoint | None) -> Written:
        if written is Written.DONE:
            self._written(endpoint_id, endpoint)
        return written

    def _entity(self, endpoint: Endpoint) -> dict[str, str | bytes]:
        return {"PartitionKey": PARTITION, "RowKey": endpoint.id, **self._format.columns(endpoint)}


class _HealthRows:
    """Health is a row of its own so that the dispatcher never overwrites an admin's change."""

    def __init__(self, table: Table, written: Callable[[str, Health], None]) -> None:
        self._table = table
        self._written = written

    def get(self, endpoint_id: str) -> Versioned[Health] | None:
        row = self._table.get(PARTITION, endpoint_id + _HEALTH)
        return None if row is None else Versioned(Health.model_validate_json(row["Health"]), etag_of(row))

    def insert(self, endpoint_id: str, health: Health) -> Written:
        return self._noted(self._table.insert(_health_entity(endpoint_id, health)), endpoint_id, health)

    def replace(self, endpoint_id: str, health: Health, etag: str) -> Written:
        return self._noted(self._table.replace(_health_entity(endpoint_id, health), etag), endpoint_id, health)

    def _noted(self, written: Written, endpoint_id: str, health: Health) -> Written:
        if written is Written.DONE:
            self._written(endpoint_id, health)
        return written


def _health_entity(endpoint_id: str, health: Health) -> dict[str, str]:
    return {"PartitionKey": PARTITION, "RowKey": endpoint_id + _HEALTH, "Health": health.model_dump_json()}


def _written_anew(endpoint: Endpoint | None) -> Endpoint | None:
    return None if endpoint is None else endpoint.model_copy()
