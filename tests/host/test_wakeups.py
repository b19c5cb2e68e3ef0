"""What the host itself puts on a queue is taken at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
from azure.storage.queue.aio import QueueServiceClient

from local.host import backoff
from local.host.app import Function, QueueTrigger
from local.host.queue_listener import QueueListener
from local.host.settings import QueueOptions
from local.host.storage import Reachability
from local.host.wakeups import Wakeups
from local.host.worker import Worker

from .conftest import MakeQueue


def test_a_move_to_the_poison_queue_wakes_its_listener(
    storage: str, make_queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both listeners would poll again in an hour."""
    monkeypatch.setattr(backoff, "SHORTEST", timedelta(hours=1))
    queue = make_queue()
    make_queue(queue.poison)
    came = asyncio.Event()

    async def fail(msg: func.QueueMessage) -> None:
        raise RuntimeError("as asked")

    async def note(msg: func.QueueMessage) -> None:
        came.set()

    async def run() -> None:
        options = QueueOptions(16, 16, 1, timedelta(0), timedelta(hours=1), base64=False)
        wakeups, stop, worker = Wakeups(), asyncio.Event(), Worker(1, None)
        async with QueueServiceClient.from_connection_string(storage) as service:

            def listen(name: str, call: Callable[..., Any]) -> asyncio.Task[None]:
                trigger = QueueTrigger(name, "AzureWebJobsStorage")
                function = Function(name, call, "msg", None, trigger, retry=None, disabled=False)
                rest = (service, worker, options, timedelta(minutes=10), Reachability("AzureWebJobsStorage"), wakeups)
                return asyncio.create_task(QueueListener(function, name, *rest).listen(stop))

            listening = [listen(queue.name, fail), listen(queue.poison, note)]
            await asyncio.to_thread(queue.put, "bad")
            wakeups.put_on(queue.name)
            async with asyncio.timeout(20):
                await came.wait()
            stop.set()
            await asyncio.gather(*listening)
        worker.close()

    asyncio.run(run())
