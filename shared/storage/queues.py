"""Queues `deliveries` and `deliveries-poison`. Texts go as they are (`messageEncoding: none`)."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, StorageErrorCode

from shared.storage.clients import ONCE, Services, reaching

DELIVERIES = "deliveries"
POISON = "deliveries-poison"

NEVER_EXPIRES = -1


@dataclass(frozen=True)
class Received:
    """A message taken from a queue, hidden from others for a while."""

    id: str
    receipt: str
    body: bytes
    inserted_at: datetime | None
    dequeue_count: int


class Queue:
    """One queue; made on first use where it is missing."""

    def __init__(self, services: Services, name: str) -> None:
        self.name = name
        self._client: QueueClient = services.queues.get_queue_client(name)

    def put(self, text: str, delay: timedelta = timedelta()) -> None:
        """Puts a message that becomes visible after `delay`, whole seconds, rounded up; it never expires."""
        hidden = math.ceil(delay.total_seconds())
        with reaching(f"putting a message on {self.name}"):
            try:
                self._send(text, hidden)
            except ResourceNotFoundError:
                self._create()
                self._send(text, hidden)

    def receive(self, count: int, hidden: timedelta) -> list[Received]:
        """Up to `count` (at most 32) messages; none where the queue does not exist yet."""
        with reaching(f"receiving from {self.name}"), contextlib.suppress(ResourceNotFoundError):
            return list(self._receive(count, hidden))
        return []

    def delete(self, message: Received) -> None:
        """Leaves it where it was received again meanwhile: it is of whoever has its new receipt."""
        with reaching(f"deleting a message from {self.name}"), contextlib.suppress(ResourceNotFoundError):
            try:
                self._client.delete_message(message.id, message.receipt)
            except HttpResponseError as refused:
                if getattr(refused, "error_code", None) != StorageErrorCode.POP_RECEIPT_MISMATCH:
                    raise

    def length(self, once: bool = False) -> int:
        """Messages in the queue, hidden ones too; approximate. With `once`, an error is told without another try."""
        with reaching(f"measuring {self.name}"), contextlib.suppress(ResourceNotFoundError):
            return self._client.get_queue_properties(**(ONCE if once else {})).approximate_message_count or 0
        return 0

    def peek(self) -> tuple[bytes, datetime | None] | None:
        """The body and the time of insertion of the message that is first in line; None where none is visible."""
        with reaching(f"peeking into {self.name}"), contextlib.suppress(ResourceNotFoundError):
            for first in self._client.peek_messages(1):
                return _body(first.content), first.inserted_on
        return None

    def _send(self, text: str, hidden: int) -> None:
        self._client.send_message(text, visibility_timeout=hidden or None, time_to_live=NEVER_EXPIRES)

    def _receive(self, count: int, hidden: timedelta) -> Iterator[Received]:
        seconds = int(hidden.total_seconds())
        for found in self._client.receive_messages(
            max_messages=count, messages_per_page=count, visibility_timeout=seconds
        ):
            body, times = _body(found.content), found.dequeue_count or 1
            yield Received(found.id, found.pop_receipt or "", body, found.inserted_on, times)

    def _create(self) -> None:
        with contextlib.suppress(ResourceExistsError):  # 409: one with other metadata is there; 204: one like it
            self._client.create_queue()


def _body(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else bytes(content)
