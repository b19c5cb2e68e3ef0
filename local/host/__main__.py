"""`python -m local.host`: runs the function app of the current folder until SIGTERM or Ctrl+C."""

import argparse
import asyncio
import logging
import os
import platform
import signal
import sys
import threading
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from aiohttp import web
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.host import log
from local.host.app import Function, QueueTrigger, TimerTrigger, load_functions
from local.host.event_loop import new_event_loop
from local.host.queue_listener import QueueListener
from local.host.server import Site
from local.host.settings import (
    HostOptions,
    StartupError,
    body_limit_bytes,
    connection_string,
    has_home_page,
    host_id,
    read_options,
)
from local.host.storage import Reachability
from local.host.timer_listener import TimerListener
from local.host.timer_state import TimerState
from local.host.wakeups import Wakeups
from local.host.worker import Worker

logger = logging.getLogger("host")
Service = TypeVar("Service", QueueServiceClient, BlobServiceClient)
# Azure drains for up to an hour; a person at a terminal does not wait that long.
DRAIN_LIMIT_SECONDS = 120
# The SDK's own retries wait 15 s and more; the listeners have their own pace. Its transport would look for proxies in
# the environment at every request, which is a fifth of this process's work while it drains a queue.
CLIENT_OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 1,
    "random_jitter_range": 0,
    "use_env_settings": False,
}


class Host:
    """The listeners, the HTTP server and the worker of one function app."""

    def __init__(self, functions: list[Function], options: HostOptions, port: int, lease: timedelta) -> None:
        self._functions = functions
        self._options = options
        self._port = port
        self._lease = lease
        self._worker = Worker(read_thread_count(), options.function_timeout)
        self._stack = AsyncExitStack()
        self._listeners: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set, then finish what is in flight. Returns how many invocations were given up."""
        site = Site(self._functions, self._worker, has_home_page(os.environ), body_limit_bytes(os.environ))
        # Azure's front end hands a body over as it came, whatever its Content-Encoding says.
        runner = web.AppRunner(
            site.application(), access_log=None, shutdown_timeout=DRAIN_LIMIT_SECONDS, auto_decompress=False
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise StartupError(
                f"Port {self._port} cannot be used ({error.strerror}). Stop what listens there, or give another --port."
            ) from error
        await self._start_listeners(stop)
        site.state = "Running"
        logger.info("Listening on http://127.0.0.1:%d", runner.addresses[0][1])
        # A listener ends only when asked to; one that fails takes the host with it rather than being missed.
        await asyncio.wait([asyncio.create_task(stop.wait()), *self._listeners], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        logger.info("Stopping: finishing what is in flight.")
        await asyncio.gather(runner.cleanup(), *self._listeners, *site.admin_runs)
        await self._stack.aclose()
        self._worker.close()
        return self._worker.overdue

    async def _start_listeners(self, stop: asyncio.Event) -> None:
        services: dict[str, tuple[QueueServiceClient, Reachability]] = {}
        wakeups = Wakeups()
        for function in self._functions:
            if function.disabled or not isinstance(function.trigger, QueueTrigger):
                continue
            setting = function.trigger.connection
            if setting not in services:
                service = open_service(QueueServiceClient, setting)
                services[setting] = (await self._stack.enter_async_context(service), Reachability(setting))
            service, reachability = services[setting]
            options, queue = self._options.queues, function.trigger.queue
            listener = QueueListener(
                function, queue, service, self._worker, options, self._lease, reachability, wakeups
            )
            self._listeners.append(asyncio.create_task(listener.listen(stop)))
        await self._start_timers(stop)

    async def _start_timers(self, stop: asyncio.Event) -> None:
        timers = [
            (function, function.trigger)
            for function in self._functions
            if isinstance(function.trigger, TimerTrigger) and not function.disabled
        ]
        if not timers:
            return
        service = await self._stack.enter_async_context(open_service(BlobServiceClient, "AzureWebJobsStorage"))
        reachability = Reachability("AzureWebJobsStorage")
        for function, trigger in timers:
            state = TimerState(service, host_id(Path.cwd(), os.environ), function.name)
            listener = TimerListener(function, trigger, state, self._worker, reachability)
            self._listeners.append(asyncio.create_task(listener.listen(stop)))


def open_service(kind: type[Service], setting: str) -> Service:
    try:
        return kind.from_connection_string(connection_string(setting, os.environ), **CLIENT_OPTIONS)
    except ValueError as error:
        raise StartupError(f"The setting {setting} is not a connection string: {error} Correct it.") from None


def read_thread_count() -> int:
    default = min(32, (os.cpu_count() or 1) + 4)
    text = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    if not text:
        return default
    if not text.isdigit() or int(text) < 1:
        raise StartupError(f"PYTHON_THREADPOOL_THREAD_COUNT must be a whole number from 1 on, not {text!r}.")
    return int(text)


async def serve(arguments: argparse.Namespace, folder: Path, options: HostOptions) -> int:
    """Loads the app and serves it until a signal asks for the end. Returns how many invocations were given up."""
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    logger.info("Python %s, event loop of %s", platform.python_version(), loop)
    # In a task of its own, like the worker: what the app sets in its context while it is imported stays there.
    functions = await asyncio.create_task(load(folder, options))
    for function in functions:
        off = " (disabled)" if function.disabled else ""
        logger.info("Function %s: %s%s", function.name, function.trigger, off)
    host = Host(functions, options, arguments.port, timedelta(seconds=arguments.lease))
    return await host.run(stop_on_signal())


async def load(folder: Path, options: HostOptions) -> list[Function]:
    return load_functions(folder, options, os.environ)


def stop_on_signal() -> asyncio.Event:
    """Set by SIGTERM or Ctrl+C; from then on the end is awaited for so long and no longer."""
    stop = asyncio.Event()
    asked: set[int] = set()
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _frame: object) -> None:
        if asked:
            # SIGTERM may follow a terminal's Ctrl+C at once, from the process that started this one.
            if number == signal.SIGINT and signal.SIGINT in asked:
                exit_at_once(130, "Stopped at once: asked a second time.")
            asked.add(number)
            return
        asked.add(number)
        loop.call_soon_threadsafe(stop.set)
        too_late = (1, "Stopped hard: what was in flight did not end in time.")
        watchdog = threading.Timer(DRAIN_LIMIT_SECONDS, exit_at_once, too_late)
        watchdog.daemon = True
        watchdog.start()

    # Plain handlers, because the loop's own exist on Unix only; SIGBREAK is what a Windows supervisor can send.
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), on_signal)
    return stop


def exit_at_once(status: int, reason: str) -> NoReturn:
    """End the process as Azure ends its worker: threads are not waited for, tasks not cancelled, nothing is cleaned
    up."""
    print(reason, flush=True)
    os._exit(status)


def exit_with_parent() -> None:
    """End at once when the process at the other end of stdin is gone."""

    def wait_for_end() -> None:
        # Not sys.stdin: its lock would be held when the interpreter ends.
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--port", type=int, default=7071, help="HTTP port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--lease", type=int, default=600, help="seconds for which a received message stays hidden")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when stdin ends")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    if arguments.exit_with_parent:
        exit_with_parent()
    folder = Path.cwd()
    try:
        options = read_options(folder, os.environ)
        log.configure(options.log_level)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            given_up = runner.run(serve(arguments, folder, options))
            if given_up:
                exit_at_once(0, f"Stopped. {given_up} invocations that outran functionTimeout were left behind.")
            exit_at_once(0, "Stopped.")
    except StartupError as error:
        print(f"The function host cannot start. {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
