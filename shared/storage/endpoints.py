"""Table `endpoints`: registered receivers and, in rows of their own, their health."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from shared.model import Endpoint, Health, OldSecret, endpoint_id, to_ms
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, Written
from shared.storage.endpoint_rows import EndpointRows, health_of
from shared.storage.snapshot import Snapshot

PARTITION = "endpoints"
MOST_ENDPOINTS = 1000
_HEALTH = ".health"
_EXHAUSTED_KEPT = 5
_OLD_SECRETS_KEPT = 4


Complete = Callable[[Endpoint | None, Endpoint], Endpoint]
"""From an endpoint as it is (None: it is new) and with what is given of it, to what is to be stored. May raise."""


def as_it_is(_: Endpoint | None, endpoint: Endpoint) -> Endpoint:
    return endpoint


class OthersEndpoint(Exception):
    """The URL is registered by somebody else."""


class TooManyEndpoints(Exception):
    """There are MOST_ENDPOINTS already."""


class Endpoints:
    """Endpoints by id. Reads come from a snapshot of the whole table that is some seconds old at most."""

    def __init__(self, services: Services, cipher: Cipher) -> None:
        self._table = services.table(PARTITION)
        self._rows = EndpointRows(cipher)
        self._snapshot = Snapshot(self._query)

    def all(self) -> list[Endpoint]:
        """Read from the snapshot, which may be some seconds old."""
        return list(self._snapshot.get().values())

    def get(self, identity: str) -> Endpoint | None:
        """Read from the snapshot, which may be some seconds old."""
        return self._snapshot.get().get(identity)

    def at_hand(self, identity: str) -> Endpoint | None:
        """From the snapshot as it is, however old."""
        return (self._snapshot.at_hand() or {}).get(identity)

    async def get_on_loop(self, identity: str, in_thread: Callable[..., Awaitable[Any]]) -> Endpoint | None:
        """As `get`, without keeping the loop."""
        return (await self._snapshot.get_on_loop(in_thread)).get(identity)

    def read_all(self) -> list[Endpoint]:
        """As stored now, in the order in which they were registered."""
        return sorted(self._query().values(), key=lambda endpoint: (endpoint.created_at, endpoint.id))

    def read(self, identity: str) -> Endpoint | None:
        """As stored now."""
        known = self._read(identity)
        return None if known is None else known[0]

    def register(
        self,
        url: str,
        secret: str,
        given: Mapping[str, Any],
        now: datetime,
        owner: str = "",
        only_own: bool = False,
        replaces: bool = False,
        complete: Complete = as_it_is,
    ) -> tuple[Endpoint, bool]:
        """Registers a URL, or changes what is given of its registration; True where it is new. With `only_own` raises
        OthersEndpoint where the registration has another owner. One that `replaces` another may be one too many.
        What `complete` raises is passed on, and nothing is stored."""
        identity = endpoint_id(url)
        while True:
            known = self._read(identity)
            if known is not None:
                if only_own and known[0].owner != owner:
                    raise OthersEndpoint
                changed = self._change(*known, lambda endpoint: complete(endpoint, _merged(endpoint, given, now)))
                if changed is not None:
                    return changed, False
                continue
            if len(self._snapshot.get()) >= MOST_ENDPOINTS + replaces:
                raise TooManyEndpoints
            generation = to_ms(now)
            made = Endpoint(
                id=identity,
                url=url,
                secret=secret,
                owner=owner,
                generation=generation,
                created_at=now,
                updated_at=now,
                health=Health(generation=generation),
                **given,
            )
            endpoint = complete(None, made)
            written = self._table.insert(self._entity(endpoint))
            if written is Written.NO_TABLE:
                self._table.create()
            elif written is Written.DONE:
                self._snapshot.forget()
                return endpoint, True

    def change(
        self,
        identity: str,
        given: Mapping[str, Any],
        now: datetime,
        complete: Complete = as_it_is,
    ) -> Endpoint | None:
        """Changes some fields; None where there is no such endpoint. Enabling also clears a disabled state."""
        return self._update(identity, lambda endpoint: complete(endpoint, _merged(endpoint, given, now)))

    def delete(self, identity: str) -> bool:
        """False where there is no such endpoint."""
        if self._read(identity) is None:
            return False
        self._table.delete(PARTITION, identity)
        self._table.delete(PARTITION, identity + _HEALTH)
        self._snapshot.forget()
        return True

    def drop(self, superseded: Endpoint) -> bool:
        """Deletes an endpoint unless it has changed since it was read: then False."""
        known = self._read(superseded.id)
        if known is None or (known[0].key, known[0].turn) != (superseded.key, superseded.turn):
            return False
        if self._table.remove(PARTITION, superseded.id, known[1]) is not Written.DONE:
            return False
        self._table.delete(PARTITION, superseded.id + _HEALTH)
        self._snapshot.forget()
        return True

    def note_exhausted(self, endpoint: Endpoint, delivery: str, at: datetime, error: str, now: datetime) -> Endpoint:
        """Counts a delivery whose last attempt, at `at`, failed, once however often it is told; the first one begins a
        failing time."""

        def count(health: Health) -> Health:
            known = health.exhausted if delivery in health.exhausted else (*health.exhausted, delivery)
            return health.model_copy(
                update={
                    "first_failure_at": min(health.first_failure_at or at, at),
                    "first_exhausted_at": health.first_exhausted_at or now,
                    "exhausted": known[:_EXHAUSTED_KEPT],
                    "last_error": error,
                }
            )

        return self._change_health(endpoint, count)

    def note_warned(self, endpoint: Endpoint) -> None:
        self._change_health(endpoint, lambda health: health.model_copy(update={"warned": True}))

    def note_success(self, endpoint: Endpoint, at: datetime) -> None:
        """Ends a failing time; a disabled endpoint stays disabled."""
        cleared = Health(generation=endpoint.generation, last_success_at=at)
        self._change_health(endpoint, lambda health: health if health.disabled_reason else cleared)

    def disable(self, endpoint: Endpoint, reason: str, at: datetime) -> Endpoint:
        """Stops deliveries until an admin enables the endpoint again; the first reason stands."""
        update = {"disabled_reason": reason, "disabled_at": at}
        return self._change_health(
            endpoint, lambda health: health if health.disabled_reason else health.model_copy(update=update)
        )

    def rotate_secret(self, identity: str, secret: str, now: datetime, until: datetime) -> Endpoint | None:
        """Gives an endpoint a new secret; the old ones go on signing until their time."""

        def rotate(endpoint: Endpoint) -> Endpoint:
            old = [kept for kept in endpoint.old_secrets if now < kept.until]
            kept = (OldSecret(secret=endpoint.secret, until=until), *old)[:_OLD_SECRETS_KEPT]
            return endpoint.model_copy(update={"secret": secret, "old_secrets": kept, "updated_at": now})

        return self._update(identity, rotate)

    def reencrypt(self) -> int:
        """Writes what is not under the first key anew; returns how many endpoints that were."""
        rows = self._table.query("PartitionKey eq @partition", {"partition": PARTITION})
        old = [row["RowKey"] for row in rows if "Url" in row and not self._rows.is_current(row)]
        return sum(self._update(identity, lambda endpoint: endpoint) is not None for identity in old)

    def _change_health(self, endpoint: Endpoint, change: Callable[[Health], Health]) -> Endpoint:
        """Health is a row of its own so that the dispatcher never overwrites an admin's change; a row of an earlier
        generation counts as none, and one of a later is none of ours."""
        row_key = endpoint.id + _HEALTH
        while True:
            row = self._table.get(PARTITION, row_key)
            known = health_of(row, endpoint.generation)
            health = change(known)
            if health == known or known.generation > endpoint.generation:
                return endpoint.model_copy(update={"health": known})
            entity = {"PartitionKey": PARTITION, "RowKey": row_key, "Health": health.model_dump_json()}
            if row is None:
                written = self._table.insert(entity)
            else:
                written = self._table.replace(entity, row.metadata["etag"] or "")
            if written is Written.DONE:
                self._snapshot.forget()
                return endpoint.model_copy(update={"health": health})

    def _update(self, identity: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
        """Applies a change to the endpoint as stored; None where there is none."""
        while True:
            known = self._read(identity)
            if known is None:
                return None
            changed = self._change(*known, change)
            if changed is not None:
                return changed

    def _query(self) -> dict[str, Endpoint]:
        rows = list(self._table.query("PartitionKey eq @partition", {"partition": PARTITION}))
        health = {row["RowKey"].removesuffix(_HEALTH): row for row in rows if row["RowKey"].endswith(_HEALTH)}
        endpoints = {row["RowKey"]: row for row in rows if not row["RowKey"].endswith(_HEALTH)}
        self._rows.forget_others(endpoints)
        return {identity: self._rows.endpoint(row, health.get(identity)) for identity, row in endpoints.items()}

    def _read(self, identity: str) -> tuple[Endpoint, str] | None:
        """The endpoint as stored now, and its etag."""
        row = self._table.get(PARTITION, identity)
        if row is None:
            return None
        return self._rows.endpoint(row, self._table.get(PARTITION, identity + _HEALTH)), row.metadata["etag"] or ""

    def _change(self, known: Endpoint, etag: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
        """The changed endpoint, or None where somebody else changed it meanwhile."""
        changed = change(known)
        if self._table.replace(self._entity(changed), etag) is not Written.DONE:
            return None
        if changed.health != known.health:
            self._change_health(changed, lambda _: changed.health)
        self._snapshot.forget()
        return changed

    def _entity(self, endpoint: Endpoint) -> dict[str, str | bytes]:
        return {"PartitionKey": PARTITION, "RowKey": endpoint.id, **self._rows.columns(endpoint)}


def _merged(endpoint: Endpoint, given: Mapping[str, Any], now: datetime) -> Endpoint:
    """The endpoint with the given fields; enabling it explicitly starts its health anew."""
    update: dict[str, Any] = {**given, "updated_at": now}
    if "turn" in given:
        update["turn"] = max(given["turn"], endpoint.turn)  # see shared/admin/subscriptions.py
    if given.get("enabled") is True and not endpoint.receives:
        update["health"] = Health(generation=endpoint.generation, last_success_at=endpoint.health.last_success_at)
    return endpoint.model_copy(update=update)
