"""What a timer keeps in storage: its lock, and when it ran and should run next."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobLeaseClient, BlobServiceClient, ContainerClient

CONTAINER = "azure-webjobs-hosts"
LEASE_SECONDS = 60
NEVER = "0001-01-01T00:00:00+00:00"
"""The default date of .NET."""


@dataclass(frozen=True)
class Status:
    """`last` is None until the first run on the present schedule; `updated` is the time from which `next` follows."""

    last: datetime | None
    next: datetime
    updated: datetime

    def document(self) -> dict[str, str]:
        last = self.last.isoformat() if self.last else NEVER
        return {"Last": last, "Next": self.next.isoformat(), "LastUpdated": self.updated.isoformat()}


def parse_status(document: dict[str, Any]) -> Status:
    last = None if document["Last"].startswith("0001-") else parse_time(document["Last"])
    return Status(last, parse_time(document["Next"]), parse_time(document["LastUpdated"]))


def parse_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class TimerState:
    """The blobs of one timer, at the places where the real host has them."""

    def __init__(self, service: BlobServiceClient, host_id: str, function_name: str) -> None:
        self._container: ContainerClient = service.get_container_client(CONTAINER)
        self._status = self._container.get_blob_client(f"timers/{host_id}/Host.Functions.{function_name}/status")
        self._lock = self._container.get_blob_client(f"locks/{host_id}/Host.Functions.{function_name}.Listener")
        self._lease: BlobLeaseClient | None = None

    async def acquire_lock(self) -> bool:
        """Take the lock for 60 s; False when another host holds it."""
        try:
            await self._lock.upload_blob(b"", overwrite=False)
        except ResourceNotFoundError:
            await self._create_container()
            return await self.acquire_lock()
        except ResourceExistsError:
            pass  # made by an earlier host, as it nearly always is
        lease = BlobLeaseClient(self._lock)
        try:
            await lease.acquire(lease_duration=LEASE_SECONDS)
        except ResourceExistsError:
            return False
        self._lease = lease
        return True

    async def renew_lock(self) -> bool:
        """False when the lock is lost."""
        if self._lease is None:
            return False
        try:
            await self._lease.renew()
        except HttpResponseError as error:
            if error.status_code not in (404, 409, 412):
                raise
            return False
        return True

    async def release_lock(self) -> None:
        lease, self._lease = self._lease, None
        if lease:
            await lease.release()

    async def read_status(self) -> Status | None:
        try:
            blob = await self._status.download_blob()
            return parse_status(json.loads(await blob.readall()))
        except ResourceNotFoundError:
            return None

    async def write_status(self, status: Status) -> None:
        await self._status.upload_blob(json.dumps(status.document()).encode(), overwrite=True)

    async def _create_container(self) -> None:
        try:
            await self._container.create_container()
        except ResourceExistsError:
            return
