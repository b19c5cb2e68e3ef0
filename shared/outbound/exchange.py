"""The request that is under way, and what its connection and its client know of each other."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from shared.outbound.head import Head

RESPONSE_BYTES = 2048
"""How much of an answer's body is read, for the log."""

Place = tuple[str, str, int]
"""Scheme, host and port: what connections are kept by."""


def _nothing() -> None:
    pass


@dataclass(eq=False)
class Exchange:
    """One attempt. It belongs to one task."""

    place: Place
    resolving: bool = False
    """Whether its name is being looked up."""
    reused: bool = False
    """Whether its connection had been used before."""
    asked_again: bool = False
    """Whether it is on its second connection, which must be a new one."""
    answered: bool = False
    """Whether a byte of an answer has come on its connection."""
    head: Head | None = None
    """The answer's, as soon as it is complete."""
    body: bytearray = field(default_factory=bytearray)
    """What came of the answer's, up to what is wanted."""
    failure: str | None = None
    """What is wrong with the answer, where its connection saw it."""
    stop_waiting: Callable[[], object] = _nothing
    """Whom to tell that a byte has come, or that none will."""

    def heard(self) -> None:
        """A byte of an answer has come."""
        if not self.answered:
            self.answered = True
            self.settle()

    def settle(self) -> None:
        """Nobody waits for the first byte any more."""
        stop, self.stop_waiting = self.stop_waiting, _nothing
        stop()


_CURRENT: ContextVar[Exchange] = ContextVar("exchange")


def begin_exchange(place: Place) -> Exchange:
    """Makes a new one the current one of this task, for the connector, which aiohttp calls within it."""
    exchange = Exchange(place)
    _CURRENT.set(exchange)
    return exchange


def current_exchange() -> Exchange:
    return _CURRENT.get()
