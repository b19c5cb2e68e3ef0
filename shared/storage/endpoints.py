"""Table `endpoints`: registered receivers and, in rows of their own, their health."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from azure.data.tables import TableEntity

from shared.model import Endpoint, Health, endpoint_id, to_ms
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, StorageUnavailable, Written

PARTITION = "endpoints"
MOST_ENDPOINTS = 1000
CACHE_SECONDS = 4.0
"""How long a process may act on what it read: changes take effect everywhere within 5 s."""

FAILURE_SECONDS = 1.0
"""After a failed read nobody asks again for so long: waiting workers must not queue up to fail one by one."""

_HEALTH = ".health"
_KEPT_APART = {"id", "health", "url", "secret"}


class TooManyEndpoints(Exception):
    """There are MOST_ENDPOINTS already."""


class Endpoints:
    """Endpoints by id. Reads come from a snapshot of the whole table that is at most CACHE_SECONDS old."""

    def __init__(self, services: Services, cipher: Cipher) -> None:
        self._table = services.table(PARTITION)
        self._cipher = cipher
        self._lock = threading.Lock()
        self._snapshot: dict[str, Endpoint] = {}
        self._read_at = self._failed_at = float("-inf")
        self._opened: dict[str, tuple[str, dict[str, str]]] = {}

    def all(self) -> list[Endpoint]:
        """From the snapshot."""
        return list(self._fresh().values())

    def get(self, identity: str) -> Endpoint | None:
        """From the snapshot."""
        return self._fresh().get(identity)

    def read_all(self) -> list[Endpoint]:
        """As stored now, in the order in which they were registered."""
        return sorted(self._query().values(), key=lambda endpoint: (endpoint.created_at, endpoint.id))

    def read(self, identity: str) -> Endpoint | None:
        """As stored now."""
        known = self._read(identity)
        return None if known is None else known[0]

    def register(self, url: str, secret: str, given: Mapping[str, Any], now: datetime) -> tuple[Endpoint, bool]:
        """Registers a URL, or changes what is given of its registration; True where it is new."""
        identity = endpoint_id(url)
        while True:
            known = self._read(identity)
            if known is not None:
                changed = self._change(*known, lambda endpoint: _merged(endpoint, given, now))
                if changed is not None:
                    return changed, False
                continue
            if len(self._fresh()) >= MOST_ENDPOINTS:
                raise TooManyEndpoints
            generation = to_ms(now)
            endpoint = Endpoint(
                id=identity,
                url=url,
                secret=secret,
                generation=generation,
                created_at=now,
                updated_at=now,
                health=Health(generation=generation),
                **given,
            )
            written = self._table.insert(self._entity(endpoint))
            if written is Written.NO_TABLE:
                self._table.create()
            elif written is Written.DONE:
                self.forget()
                return endpoint, True

    def change(self, identity: str, given: Mapping[str, Any], now: datetime) -> Endpoint | None:
        """Changes some fields; None where there is no such endpoint. Enabling also clears a disabled state."""
        while True:
            known = self._read(identity)
            if known is None:
                return None
            changed = self._change(*known, lambda endpoint: _merged(endpoint, given, now))
            if changed is not None:
                return changed

    def delete(self, identity: str) -> bool:
        """False where there is no such endpoint."""
        if self._read(identity) is None:
            return False
        self._table.delete(PARTITION, identity)
        self._table.delete(PARTITION, identity + _HEALTH)
        self.forget()
        return True

    def note_failing(self, endpoint: Endpoint, since: datetime, error: str) -> None:
        """Marks the beginning of a failing time, once, with the newest error."""
        health = endpoint.health
        first = min(health.first_failure_at or since, since)
        self._write_health(endpoint, health.model_copy(update={"first_failure_at": first, "last_error": error}))

    def note_success(self, endpoint: Endpoint, at: datetime) -> None:
        """Ends a failing time."""
        self._write_health(endpoint, Health(generation=endpoint.generation, last_success_at=at))

    def disable(self, endpoint: Endpoint, reason: str) -> None:
        """Stops deliveries until an admin enables the endpoint again."""
        self._write_health(endpoint, endpoint.health.model_copy(update={"disabled_reason": reason}))

    def forget(self) -> None:
        """Makes the next read ask storage: a write through this process is seen by it at once."""
        with self._lock:
            self._read_at = float("-inf")

    def _write_health(self, endpoint: Endpoint, health: Health) -> None:
        """Health is a row of its own so that the dispatcher never overwrites an admin's change."""
        if health == endpoint.health:
            return
        row = {"PartitionKey": PARTITION, "RowKey": endpoint.id + _HEALTH, "Health": health.model_dump_json()}
        self._table.upsert(row)
        self.forget()

    def _fresh(self) -> dict[str, Endpoint]:
        with self._lock:
            asked_at = time.monotonic()
            if asked_at - self._read_at > CACHE_SECONDS:
                if asked_at - self._failed_at < FAILURE_SECONDS:
                    raise StorageUnavailable("reading endpoints failed a moment ago")
                self._failed_at = asked_at
                self._snapshot = self._query()
                self._read_at, self._failed_at = asked_at, float("-inf")
            return self._snapshot

    def _query(self) -> dict[str, Endpoint]:
        rows = list(self._table.query("PartitionKey eq @partition", {"partition": PARTITION}))
        health = {row["RowKey"].removesuffix(_HEALTH): row for row in rows if row["RowKey"].endswith(_HEALTH)}
        endpoints = [row for row in rows if not row["RowKey"].endswith(_HEALTH)]
        return {row["RowKey"]: self._endpoint(row, health.get(row["RowKey"])) for row in endpoints}

    def _read(self, identity: str) -> tuple[Endpoint, str] | None:
        """The endpoint as stored now, and its etag."""
        row = self._table.get(PARTITION, identity)
        if row is None:
            return None
        return self._endpoint(row, self._table.get(PARTITION, identity + _HEALTH)), row.metadata["etag"] or ""

    def _change(self, known: Endpoint, etag: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
        """The changed endpoint, or None where somebody else changed it meanwhile."""
        changed = change(known)
        if self._table.replace(self._entity(changed), etag) is not Written.DONE:
            return None
        if changed.health != known.health:
            self._write_health(known, changed.health)
        self.forget()
        return changed

    def _entity(self, endpoint: Endpoint) -> dict[str, str]:
        return {
            "PartitionKey": PARTITION,
            "RowKey": endpoint.id,
            "Url": self._cipher.encrypt(endpoint.url),
            "Secret": self._cipher.encrypt(endpoint.secret),
            "Row": endpoint.model_dump_json(exclude=_KEPT_APART, exclude_defaults=True),
        }

    def _endpoint(self, row: TableEntity, health: TableEntity | None) -> Endpoint:
        stored = json.loads(row["Row"])
        state = Health.model_validate_json(health["Health"]) if health is not None else None
        if state is None or state.generation != stored["generation"]:  # left over from an earlier registration
            state = Health(generation=stored["generation"])
        return Endpoint.model_validate({**stored, **self._open(row), "id": row["RowKey"], "health": state})

    def _open(self, row: TableEntity) -> dict[str, str]:
        """URL and secret in the clear; remembered by version, since decrypting a thousand rows takes a while."""
        version = row.metadata["etag"] or ""
        known = self._opened.get(row["RowKey"])
        if known is None or known[0] != version:
            opened = {"url": self._cipher.decrypt(row["Url"]), "secret": self._cipher.decrypt(row["Secret"])}
            known = self._opened[row["RowKey"]] = (version, opened)
        return known[1]


def _merged(endpoint: Endpoint, given: Mapping[str, Any], now: datetime) -> Endpoint:
    """The endpoint with the given fields; enabling it explicitly starts its health anew."""
    update: dict[str, Any] = {**given, "updated_at": now}
    if given.get("enabled") is True and not endpoint.receives:
        update["health"] = Health(generation=endpoint.generation, last_success_at=endpoint.health.last_success_at)
    return endpoint.model_copy(update=update)
