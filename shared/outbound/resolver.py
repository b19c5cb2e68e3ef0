"""Names to addresses, in a small pool of threads of its own."""

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

__all__ = ["NotInTime", "Resolve", "Resolver", "resolve_by_system"]

_MOST_LOOKUPS = 256
"""At once: one for each attempt that may be in flight, so that names whose look-up hangs delay no other."""

Resolve = Callable[[str, int], list[str]]
"""From host and port to IP addresses; raises OSError."""


class Resolver:
    """`getaddrinfo` in a small pool of its own: it cannot be cancelled, so a hung name must hold no worker. Callers
    that ask for a name already being looked up share the one look-up."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(max_workers=_MOST_LOOKUPS, thread_name_prefix="resolve")
        self._under_way: dict[tuple[str, int], Future[list[str]]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, within: float) -> list[str]:
        """Raises OSError where the name does not resolve, and concurrent.futures.TimeoutError."""
        return self._look_up(host, port).result(within)

    async def addresses_on_loop(self, host: str, port: int) -> list[str]:
        """As `addresses`, for as long as the task is let wait. One who stops waiting stops no other."""
        found = asyncio.wrap_future(self._look_up(host, port))
        found.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to take it
        return await asyncio.shield(found)

    def _look_up(self, host: str, port: int) -> Future[list[str]]:
        key = (host, port)
        with self._lock:
            future = self._under_way.get(key)
            if future is None:
                future = self._under_way[key] = self._threads.submit(self._resolve, host, port)
                future.add_done_callback(lambda _: self._under_way.pop(key, None))
            return future


def resolve_by_system(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
