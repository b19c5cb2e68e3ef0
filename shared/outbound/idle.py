"""Connections that are kept open between two requests, and receivers for which none may be kept."""

import asyncio
from collections import Counter, OrderedDict, defaultdict
from typing import Protocol

from shared.outbound.exchange import Exchange, Place

_MOST_REMEMBERED = 2000


class Closable(Protocol):
    def close(self) -> None: ...


class IdleConnections:
    """What is idle, by place.

    A receiver that serves one connection at a time does nothing for a second one while the first is kept. So where an
    attempt on a new connection has waited for `patience_seconds` without a byte, the idle ones of its place are closed,
    or the next that would become idle, and none is kept there for `alone_seconds`. Where the receiver was only slow,
    that costs some new connections and nothing else.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, patience_seconds: float, alone_seconds: float) -> None:
        self._loop = loop
        self._patience_seconds = patience_seconds
        self._alone_seconds = alone_seconds
        self._idle: defaultdict[Place, set[Closable]] = defaultdict(set)
        self._in_want: Counter[Place] = Counter()
        self._alone_until: OrderedDict[Place, float] = OrderedDict()

    def watch(self, exchange: Exchange) -> None:
        """Sees to it that the exchange is not kept waiting by a connection that is idle."""
        timer = self._loop.call_later(self._patience_seconds, self._wants_room, exchange)
        exchange.stop_waiting = timer.cancel

    def may_keep(self, place: Place) -> bool:
        """Whether a connection may stay open there now that its request is over."""
        if place in self._in_want:
            self._leave_alone(place)
        until = self._alone_until.get(place)
        if until is None:
            return True
        if until > self._loop.time():
            return False
        del self._alone_until[place]
        return True

    def add(self, place: Place, connection: Closable) -> None:
        self._idle[place].add(connection)

    def remove(self, place: Place, connection: Closable) -> None:
        """It is used again, or closed."""
        self._idle[place].discard(connection)
        if not self._idle[place]:
            del self._idle[place]

    def _wants_room(self, exchange: Exchange) -> None:
        place = exchange.place
        self._in_want[place] += 1
        exchange.stop_waiting = lambda: self._has_room(place)
        if place in self._idle:
            self._leave_alone(place)

    def _has_room(self, place: Place) -> None:
        self._in_want[place] -= 1
        if not self._in_want[place]:
            del self._in_want[place]

    def _leave_alone(self, place: Place) -> None:
        self._alone_until[place] = self._loop.time() + self._alone_seconds
        self._alone_until.move_to_end(place)
        if len(self._alone_until) > _MOST_REMEMBERED:
            self._alone_until.popitem(last=False)
        for connection in list(self._idle.get(place, ())):
            connection.close()
