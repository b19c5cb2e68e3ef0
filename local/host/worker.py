"""Runs functions: `def` in one thread pool, `async def` on the loop, as Azure's Python worker does."""

import asyncio
import concurrent.futures
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from azure.functions.http import HttpRequestConverter
from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter
from azure.functions.timer import TimerRequestConverter

from local.host.app import Function, HttpTrigger, QueueTrigger, TimerTrigger
from local.host.event_loop import run_in_thread, start_task

CONVERTERS: dict[type, Any] = {
    QueueTrigger: QueueMessageInConverter,
    TimerTrigger: TimerRequestConverter,
    HttpTrigger: HttpRequestConverter,
}


@dataclass(frozen=True)
class Completed:
    value: Any


@dataclass(frozen=True)
class Failed:
    """What the function, or the decoding before it, raised; it is logged already."""

    error: BaseException


class Unanswered(Exception):
    """The function ran longer than functionTimeout, or was cancelled."""


class Worker:
    """Nothing but the listeners bounds how many `async def` functions run at once; `threads` bounds the others."""

    def __init__(self, threads: int, timeout: timedelta | None) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._timeout = timeout.total_seconds() if timeout else None
        self._overdue: set[asyncio.Future[Any]] = set()

    async def invoke(self, function: Function, data: Datum, metadata: dict[str, Datum]) -> Completed | Failed:
        """Decode the trigger's data and call the function with it. Never raises for what the function does."""
        try:
            argument = decode(function, data, metadata)
            value = await self._call(function, argument)
            if value is not None and not isinstance(function.trigger, HttpTrigger):
                raise TypeError(f"function {function.name} has no $return binding, but it returned a value")
        except Unanswered as error:
            logging.getLogger(f"Function.{function.name}").error("%s", error)
            return Failed(error)
        except (Exception, SystemExit) as error:
            logging.getLogger(f"Function.{function.name}").error("Invocation failed.", exc_info=error)
            return Failed(error)
        return Completed(value)

    async def _call(self, function: Function, argument: Any) -> Any:
        running = self._start(function, {function.parameter: argument})
        done, _ = await asyncio.wait((running,), timeout=self._timeout)
        if not done:
            self._overdue.add(running)
            running.add_done_callback(self._overdue.discard)
            raise Unanswered(
                f"Function {function.name} ran longer than functionTimeout ({self._timeout:g} s). Azure would now "
                "restart the worker process, ending the other invocations too; here this one counts as failed and its "
                "code runs on."
            )
        if running.cancelled():
            raise Unanswered(
                f"Function {function.name} ended with asyncio.CancelledError. Azure would wait for its answer until "
                "functionTimeout is over and then restart the worker process; here this one counts as failed at once."
            )
        return running.result()

    def _start(self, function: Function, arguments: dict[str, Any]) -> asyncio.Future[Any]:
        """The running function; nobody ever cancels it, since nobody does on Azure."""
        invocation_id = str(uuid4())
        if function.is_async:
            return start_task(contain_exit(function.call(**arguments)), invocation_id)
        call = partial(function.call, **arguments)
        return asyncio.get_running_loop().run_in_executor(self._pool, run_in_thread, call, invocation_id)

    @property
    def overdue(self) -> int:
        """How many invocations run on although they were given up."""
        return len(self._overdue)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


async def contain_exit(running: Awaitable[Any]) -> Any:
    """A SystemExit would leave the task and end the loop; it fails the invocation, as in a thread."""
    try:
        return await running
    except SystemExit as error:
        raise RuntimeError(f"the function called sys.exit({error.code!r})") from error


def decode(function: Function, data: Datum, metadata: dict[str, Datum]) -> Any:
    """The function's argument, made by the converters that azure-functions ships."""
    if function.annotation is bytes:
        return data.value if isinstance(data.value, bytes) else str(data.value).encode()
    if function.annotation is str:
        return data.value
    return CONVERTERS[type(function.trigger)].decode(data, trigger_metadata=metadata)


def text_datum(text: str) -> Datum:
    return Datum(text, "string")
