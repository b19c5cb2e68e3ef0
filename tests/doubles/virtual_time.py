"""An event loop whose clock jumps to the next thing that is to happen, so that hours pass in an instant."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(AssertionError):
    """Everybody waits, and nothing will ever happen."""


class _NothingToRead(selectors.SelectSelector):
    """Where a loop would wait for its sockets, time passes instead."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing will ever happen")
        self.seconds += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0 s. Nothing outside of it can wake it: no sockets, no threads."""

    def __init__(self) -> None:
        self._no_sockets = _NothingToRead()
        super().__init__(self._no_sockets)

    def time(self) -> float:
        return self._no_sockets.seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
