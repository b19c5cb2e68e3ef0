"""Tables and queues for the event loop that dispatches: what `clients` and `queues` are for threads.

A client belongs to one loop. It is made there when it is first needed and kept for as long as the loop runs.
"""

import asyncio
import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.identity import managed_identity_on_loop
from shared.settings import Settings
from shared.storage.clients import (
    CONNECTIONS,
    QUEUE_RETRIES,
    RETRIES,
    Written,
    is_missing,
    meaning_of_write,
    reaching,
    service_arguments,
)
from shared.storage.queues import NEVER_EXPIRES
from shared.storage.transport import LoopTransport

_TIMEOUT = aiohttp.ClientTimeout(sock_connect=5, sock_read=15)


@dataclass(frozen=True)
class Insert:
    """A row that must be new."""

    entity: Mapping[str, Any]


@dataclass(frozen=True)
class Replace:
    """A row that must be as it was at `etag`."""

    entity: Mapping[str, Any]
    etag: str


@dataclass
class _Clients:
    """Of one loop."""

    session: aiohttp.ClientSession
    tables: TableServiceClient
    queues: QueueServiceClient
    credentials: list[Any]
    by_table: dict[str, TableClient] = field(default_factory=dict)
    by_queue: dict[str, QueueClient] = field(default_factory=dict)


class LoopServices:
    """The storage account, as seen from whichever loop asks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients] = WeakKeyDictionary()

    async def get(self, table: str, partition: str, row: str) -> TableEntity | None:
        """None where there is no such row, or no table."""
        with reaching(f"reading from {table}"):
            try:
                return await self._table(table).get_entity(partition, row)
            except ResourceNotFoundError as error:
                if not is_missing(error):
                    raise
        return None

    async def write(self, table: str, operation: Insert | Replace) -> Written:
        client = self._table(table)
        with reaching(f"writing to {table}"):
            try:
                if isinstance(operation, Insert):
                    await client.create_entity(operation.entity)
                else:
                    await client.update_entity(
                        operation.entity,
                        UpdateMode.REPLACE,
                        etag=operation.etag,
                        match_condition=MatchConditions.IfNotModified,
                    )
            except HttpResponseError as error:
                written = meaning_of_write(error)
                if written is None:
                    raise
                return written
        return Written.DONE

    async def write_together(self, table: str, operations: Sequence[Insert | Replace]) -> bool:
        """Writes rows of one partition in one transaction; False where one of them clashes and none was written."""
        with reaching(f"writing to {table}"):
            try:
                await self._table(table).submit_transaction(_transaction(operations))
            except HttpResponseError as error:  # of one operation, or of all
                if meaning_of_write(error) is None:
                    raise
                return False
        return True

    async def put(self, queue: str, text: str, delay: timedelta = timedelta()) -> None:
        """As `queues.Queue.put`."""
        client, hidden = self._queue(queue), math.ceil(delay.total_seconds())
        with reaching(f"putting a message on {queue}"):
            try:
                await client.send_message(text, visibility_timeout=hidden or None, time_to_live=NEVER_EXPIRES)
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):
                    await client.create_queue()
                await client.send_message(text, visibility_timeout=hidden or None, time_to_live=NEVER_EXPIRES)

    async def close(self) -> None:
        """Closes what was made on this loop."""
        clients = self._clients.pop(asyncio.get_running_loop(), None)
        if clients is not None:
            await clients.session.close()
            for credential in clients.credentials:
                await credential.close()

    def _table(self, name: str) -> TableClient:
        clients = self._on_this_loop()
        if name not in clients.by_table:
            clients.by_table[name] = clients.tables.get_table_client(name)
        return clients.by_table[name]

    def _queue(self, name: str) -> QueueClient:
        clients = self._on_this_loop()
        if name not in clients.by_queue:
            clients.by_queue[name] = clients.queues.get_queue_client(name)
        return clients.by_queue[name]

    def _on_this_loop(self) -> _Clients:
        loop = asyncio.get_running_loop()
        clients = self._clients.get(loop)
        if clients is None:
            clients = self._clients[loop] = self._connect()
        return clients

    def _connect(self) -> _Clients:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=_TIMEOUT,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        given, credentials = self._settings, []
        transport = LoopTransport(session=session, session_owner=False)
        if given.storage_connection:
            return _Clients(
                session,
                TableServiceClient.from_connection_string(given.storage_connection, transport=transport, **RETRIES),
                QueueServiceClient.from_connection_string(
                    given.storage_connection, transport=transport, **QUEUE_RETRIES
                ),
                [],
            )
        made: list[Any] = []
        for kind, service, retries in (
            (TableServiceClient, "table", RETRIES),
            (QueueServiceClient, "queue", QUEUE_RETRIES),
        ):
            uri, client_id = service_arguments(given, service) or ("", "")  # type: ignore[arg-type]
            credential = managed_identity_on_loop(client_id)
            credentials.append(credential)
            made.append(kind(uri, credential=credential, transport=transport, **retries))
        return _Clients(session, made[0], made[1], credentials)


def _transaction(operations: Sequence[Insert | Replace]) -> Iterator[tuple[Any, ...]]:
    for operation in operations:
        if isinstance(operation, Insert):
            yield "create", operation.entity
        else:
            conditions = {"etag": operation.etag, "match_condition": MatchConditions.IfNotModified}
            yield "update", operation.entity, {"mode": UpdateMode.REPLACE, **conditions}
