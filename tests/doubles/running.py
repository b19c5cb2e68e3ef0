"""Runs the app's coroutines from tests, on one loop, and closes what they have opened."""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from shared.app import App
from shared.delivery import dispatcher, poison

T = TypeVar("T")


class Closable(Protocol):
    def close(self) -> Awaitable[None]: ...


class _Running:
    """One loop for all tests of a process; made when it is first needed."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self.opened: list[Closable] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine)

    def close(self) -> None:
        opened, self.opened = self.opened, []
        for each in opened:
            self.run(_closed(each))


_running = _Running()
run = _running.run


def open_until_the_end(closable: Closable) -> None:
    """Has it closed after the test."""
    _running.opened.append(closable)


@contextlib.contextmanager
def closing_what_is_open() -> Iterator[None]:
    try:
        yield
    finally:
        _running.close()


def dispatch(app: App, body: bytes, dequeue_count: int) -> None:
    run(dispatcher.dispatch(app, body, dequeue_count))


def dispatch_at_once(app: App, bodies: list[bytes]) -> None:
    """As a host that received them together."""

    async def all_of_them() -> None:
        await asyncio.gather(*(dispatcher.dispatch(app, body, 1) for body in bodies))

    run(all_of_them())


def exhausted(app: App, body: bytes, inserted_at: datetime | None, dequeue_count: int = 1) -> None:
    run(poison.exhausted(app, body, inserted_at, dequeue_count))


def sweep(app: App, length: timedelta) -> int:
    return run(poison.sweep(app, length))


async def _closed(closable: Closable) -> None:
    await closable.close()
