"""The queue trigger: receives, runs, deletes, puts back, and moves to the poison queue."""

import asyncio
import logging
import random
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.functions.meta import Datum
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host.app import Function
from local.host.backoff import Backoff
from local.host.queue_message import decode_base64, describe_message
from local.host.settings import QueueOptions
from local.host.storage import Reachability
from local.host.wakeups import Wakeups, wait_for_any
from local.host.worker import Completed, Worker

logger = logging.getLogger("host.queue")


class QueueListener:
    """Listens to one queue for one function, with the loop of the storage queue extension.

    `lease` is how long a received message stays hidden: ten minutes on Azure, whatever `visibilityTimeout` says.
    """

    def __init__(
        self,
        function: Function,
        queue: str,
        service: QueueServiceClient,
        worker: Worker,
        options: QueueOptions,
        lease: timedelta,
        reachability: Reachability,
        wakeups: Wakeups,
    ) -> None:
        self._function = function
        self._name = queue
        self._worker = worker
        self._options = options
        self._lease_seconds = max(1, int(lease.total_seconds()))
        self._reachability = reachability
        self._queue = service.get_queue_client(queue)
        # A poison queue has none of its own.
        self._poison: QueueClient | None = None
        if not queue.endswith("-poison"):
            self._poison = service.get_queue_client(f"{queue}-poison")
        self._wakeups = wakeups
        self._woken = wakeups.of(queue)
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    async def listen(self, stop: asyncio.Event) -> None:
        """Receive until `stop` is set, then finish what is in flight."""
        backoff = Backoff(self._options.max_polling_interval, lambda: random.uniform(0.8, 1.2))  # noqa: S311 (jitter)
        while not stop.is_set():
            self._woken.clear()
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._process(message))
                self._running.add(task)
                task.add_done_callback(self._finished)
            if messages:
                backoff.reset()
                await self._wait_for_room()
            else:
                await wait_for_any(stop, self._woken, within=backoff.next_delay())
        while self._running:
            await asyncio.wait(self._running)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.set()
        if not task.cancelled() and task.exception():
            logger.error("Message of %s: %s", self._name, task.exception(), exc_info=task.exception())

    async def _wait_for_room(self) -> None:
        while len(self._running) > self._options.new_batch_threshold:
            self._room.clear()
            await self._room.wait()

    async def _receive(self) -> list[QueueMessage]:
        """A batch; an empty one when there is nothing or when the queue cannot be read now."""
        size = self._options.batch_size
        try:
            found = self._queue.receive_messages(messages_per_page=size, visibility_timeout=self._lease_seconds)
            # One page only: after a page that is not full the SDK would ask for another at once.
            page = await anext(found.by_page(), None)
            messages = [message async for message in page] if page else []
        except ResourceNotFoundError:
            # The listener waits for a missing queue and never makes it.
            self._reachability.reached()
            return []
        except AzureError as error:
            self._reachability.failed(error)
            return []
        self._reachability.reached()
        return messages

    async def _process(self, message: QueueMessage) -> None:
        try:
            await self._handle(message)
        except AzureError as error:
            logger.warning("A message of %s is not completed, so it comes back: %s", self._name, first_line(error))

    async def _handle(self, message: QueueMessage) -> None:
        body = decode_base64(message.content) if self._options.base64 else message.content.encode()
        if body is None:
            logger.warning("A message of %s is not base64 text, as messageEncoding says it must be.", self._name)
            await self._end_badly(message)
        elif self._poison and (message.dequeue_count or 0) > self._options.max_dequeue_count:
            await self._end_badly(message)
        else:
            # On a poison queue the function runs again, however often it has run.
            await self._complete(message, await self._run(message, body))

    async def _run(self, message: QueueMessage, body: bytes) -> bool:
        """Whether the function took the message."""
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            logger.error("A message of %s fails before its function runs: %s", self._name, error)
            return False
        renewal = asyncio.create_task(self._renew(message))
        try:
            data, metadata = Datum(text, "string"), describe_message(message, text)
            return isinstance(await self._worker.invoke(self._function, data, metadata), Completed)
        finally:
            renewal.cancel()
            await asyncio.wait((renewal,))

    async def _complete(self, message: QueueMessage, succeeded: bool) -> None:
        if succeeded:
            await self._delete(message)
        elif self._poison is None:
            logger.warning("A failed message of %s comes back when its lease ends.", self._name)
        elif (message.dequeue_count or 0) >= self._options.max_dequeue_count:
            await self._end_badly(message)
        else:
            delay = int(self._options.visibility_timeout.total_seconds())
            await self._set_visibility(message, delay)

    async def _end_badly(self, message: QueueMessage) -> None:
        """Copy to the poison queue and delete; a message of a poison queue is left where it is."""
        if self._poison is None:
            logger.warning("A message of %s comes back when its lease ends.", self._name)
            return
        logger.warning("A message of %s is moved to %s.", self._name, self._poison.queue_name)
        try:
            await self._poison.send_message(message.content)
        except ResourceNotFoundError:
            try:
                await self._poison.create_queue()
            except ResourceExistsError:
                logger.debug("%s was created meanwhile.", self._poison.queue_name)
            await self._poison.send_message(message.content)
        self._wakeups.put_on(str(self._poison.queue_name))
        await self._delete(message)

    async def _delete(self, message: QueueMessage) -> None:
        try:
            await self._queue.delete_message(message.id, message.pop_receipt)
        except HttpResponseError as error:
            if not is_stale(error):
                raise
            logger.debug("A message of %s was taken by someone else before it was deleted.", self._name)

    async def _set_visibility(self, message: QueueMessage, seconds: int) -> bool:
        """Whether the message is still this host's, as far as storage says."""
        try:
            updated = await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=seconds)
        except AzureError as error:
            if is_stale(error):
                logger.debug("A message of %s was taken by someone else before its visibility changed.", self._name)
                return False
            logger.warning("A message of %s comes back when its lease ends: %s", self._name, first_line(error))
        else:
            message.pop_receipt = updated.pop_receipt
        return True

    async def _renew(self, message: QueueMessage) -> None:
        """Until it is cancelled, or the message is someone else's."""
        held = True
        while held:
            await asyncio.sleep(self._lease_seconds / 2)
            renewing = asyncio.ensure_future(self._set_visibility(message, self._lease_seconds))
            try:
                held = await asyncio.shield(renewing)
            except asyncio.CancelledError:
                # An update that is under way must end, else its new pop receipt is lost.
                await asyncio.wait((renewing,))
                raise


def is_stale(error: AzureError) -> bool:
    """Whether the lease had ended and someone else has the message, or had it: at least once is all there is."""
    return isinstance(error, ResourceNotFoundError) or getattr(error, "error_code", None) == "PopReceiptMismatch"


def first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
