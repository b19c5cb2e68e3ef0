"""Connections to Table and Queue Storage, by connection string or managed identity, and what their answers mean."""

import contextlib
import enum
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableClient, TableEntity, TableServiceClient, UpdateMode
from azure.storage.queue import QueueServiceClient

from shared.identity import managed_identity
from shared.settings import Settings
from shared.storage.transport import Transport

CONNECTIONS = 64
"""Kept open to each service: at least as many as there are worker threads."""

_MOST_TABLES = 200

_NO_TABLE, _NO_ROW, _ROW_EXISTS = "TableNotFound", "ResourceNotFound", "EntityAlreadyExists"

RETRIES: dict[str, Any] = {"retry_total": 3, "retry_backoff_factor": 0.3, "retry_backoff_max": 5}
ONCE: dict[str, Any] = {"retry_total": 0}
"""Of one operation."""
QUEUE_RETRIES: dict[str, Any] = {"retry_total": 3, "initial_backoff": 1, "increment_base": 2}


class StorageUnavailable(Exception):
    """Storage did not answer, or not as it should; nothing is known of what the operation did."""


class Written(enum.Enum):
    """What became of a conditional write."""

    DONE = "done"
    CONFLICT = "another row, or another version of it, is there"
    NO_TABLE = "the table does not exist"


@contextlib.contextmanager
def reaching(operation: str) -> Iterator[None]:
    """Turns what the SDK raises into StorageUnavailable, whose text holds no URL, key or value."""
    try:
        yield
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or error.reason
        raise StorageUnavailable(f"{operation}: storage answered {error.status_code} ({code})") from None
    except AzureError as error:
        raise StorageUnavailable(f"{operation}: storage is out of reach ({type(error).__name__})") from None


class Table:
    """One table, with the outcomes that callers expect as values and all others as StorageUnavailable."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self.name = client.table_name
        self.missing = False
        """Whether the last answer was that the table does not exist."""

    def create(self) -> None:
        with reaching(f"creating table {self.name}"), contextlib.suppress(ResourceExistsError):
            self._client.create_table()
        self.missing = False

    def drop(self) -> None:
        with reaching(f"dropping table {self.name}"), contextlib.suppress(ResourceNotFoundError):
            self._client.delete_table()

    def get(self, partition: str, row: str, once: bool = False) -> TableEntity | None:
        """None where there is no such row, or no table. With `once`, an error is told without another try."""
        with reaching(f"reading from {self.name}"):
            try:
                found = self._client.get_entity(partition, row, **(ONCE if once else {}))
                self.missing = False
                return found
            except ResourceNotFoundError as error:
                self.missing = _code(error) == _NO_TABLE
                if not self.missing and _code(error) != _NO_ROW:
                    raise
        return None

    def insert(self, entity: Mapping[str, Any]) -> Written:
        return self._write("inserting into", lambda: self._client.create_entity(entity))

    def replace(self, entity: Mapping[str, Any], etag: str) -> Written:
        """CONFLICT where the row has changed since `etag`, or is gone."""
        return self._write(
            "updating",
            lambda: self._client.update_entity(
                entity, UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            ),
        )

    def upsert(self, entity: Mapping[str, Any]) -> Written:
        return self._write("writing to", lambda: self._client.upsert_entity(entity, UpdateMode.REPLACE))

    def delete(self, partition: str, row: str) -> None:
        """A row that is not there is as good as deleted."""
        with reaching(f"deleting from {self.name}"), contextlib.suppress(ResourceNotFoundError):
            self._client.delete_entity(partition, row)

    def remove(self, partition: str, row: str, etag: str) -> Written:
        """Deletes a row as it was at `etag`; CONFLICT where it has changed since. One that is gone is as good as
        deleted."""
        return self._write(
            "deleting from",
            lambda: self._client.delete_entity(
                partition, row, etag=etag, match_condition=MatchConditions.IfNotModified
            ),
        )

    def query(
        self, condition: str, values: Mapping[str, Any], page: int = 1000, select: Sequence[str] | None = None
    ) -> Iterator[TableEntity]:
        """Rows in key order, fetched `page` at a time; none where there is no table. `select` names the properties that
        are wanted, where it is not all of them."""
        with reaching(f"querying {self.name}"), contextlib.suppress(ResourceNotFoundError):
            yield from self._client.query_entities(
                condition, parameters=dict(values), results_per_page=page, select=list(select) if select else None
            )

    def _write(self, what: str, write: Callable[[], Any]) -> Written:
        with reaching(f"{what} {self.name}"):
            try:
                write()
            except HttpResponseError as error:
                written = meaning_of_write(error)
                self.missing = written is Written.NO_TABLE
                if written is None:
                    raise
                return written
        self.missing = False
        return Written.DONE


def meaning_of_write(error: HttpResponseError) -> Written | None:
    """What a refused write says; None where it says nothing that callers expect. What one operation of a transaction is
    answered has no headers: the SDK has read its code from the body."""
    told = _code(error) or getattr(error, "error_code", None)
    code = getattr(told, "value", told)
    if code == _NO_TABLE:
        return Written.NO_TABLE
    conflict = isinstance(error, ResourceExistsError) or error.status_code == 412 or code in (_NO_ROW, _ROW_EXISTS)
    return Written.CONFLICT if conflict else None


def is_missing(error: ResourceNotFoundError) -> bool:
    """Whether a 404 is of the row or the table, and not of the account."""
    return _code(error) in (_NO_TABLE, _NO_ROW)


def _code(error: HttpResponseError) -> str | None:
    """Read from the header: the SDK sets `error_code` after some operations only. A 404 may be of the account."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    return headers.get("x-ms-error-code")


class Services:
    """The storage account. Clients are made once: making one costs more than a call."""

    def __init__(self, settings: Settings) -> None:
        logging.getLogger("azure").setLevel(logging.WARNING)
        self._tables_service = _table_service(settings)
        self.queues = _queue_service(settings)
        self._tables: dict[str, Table] = {}
        self._lock = threading.Lock()

    def table_names(self) -> list[str]:
        with reaching("listing tables"):
            return [table.name for table in self._tables_service.list_tables()]

    def table(self, name: str) -> Table:
        with self._lock:
            if len(self._tables) > _MOST_TABLES:
                self._tables.clear()  # somebody walks through the weeks of a century
            if name not in self._tables:
                self._tables[name] = Table(self._tables_service.get_table_client(name))
            return self._tables[name]


def service_arguments(settings: Settings, service: Literal["table", "queue"]) -> tuple[str, str] | None:
    """URI and client id for a managed identity; None where a connection string is to be used."""
    if settings.storage_connection:
        return None
    uri = settings.table_service_uri if service == "table" else settings.queue_service_uri
    return uri or f"https://{settings.storage_account}.{service}.core.windows.net", settings.storage_client_id


def _table_service(settings: Settings) -> TableServiceClient:
    options: dict[str, Any] = {**RETRIES, "transport": Transport(CONNECTIONS)}
    by_identity = service_arguments(settings, "table")
    if by_identity is None:
        return TableServiceClient.from_connection_string(settings.storage_connection, **options)
    return TableServiceClient(by_identity[0], credential=managed_identity(by_identity[1]), **options)


def _queue_service(settings: Settings) -> QueueServiceClient:
    options: dict[str, Any] = {**QUEUE_RETRIES, "transport": Transport(CONNECTIONS)}
    by_identity = service_arguments(settings, "queue")
    if by_identity is None:
        return QueueServiceClient.from_connection_string(settings.storage_connection, **options)
    return QueueServiceClient(by_identity[0], credential=managed_identity(by_identity[1]), **options)
