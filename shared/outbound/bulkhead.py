"""The bulkhead: how many attempts one endpoint, and all that cannot be relied on together, have in flight at once.

Per instance, in memory, on the loop that dispatches. An endpoint is one of three kinds to it:

- *proven*: its last attempt here succeeded, or was put off politely. It may use any free slot while it holds fewer than
  are free, so that one that begins to hang ends up with half of them; and no more at once than the successes it has had
  in a row, so that a receiver's limit is met by few attempts.
- *new*: nothing is known of it here. It has one slot, and all new ones together half of all slots.
- *failing*: it has failed since its last success, or has kept an attempt waiting for seconds. All of these together
  have a quarter of the slots, and each holds fewer than are free of that quarter.

A message that finds no slot waits for one as long as its endpoint is giving slots back quickly enough; else it is to go
back to the queue, so that what the host can hold is free for other endpoints.
"""

import asyncio
import contextlib
import enum
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

SLOTS = 224
"""host.json's newBatchThreshold: with more messages in hand than these the host receives no others."""

PATIENCE_SECONDS = 0.5
"""For how long a message waits for an endpoint that gives no slot back."""

SLOW_SECONDS = 3.0
"""An endpoint that has kept an attempt waiting for so long is not relied on until it answers."""

_SHORTEST_LINE = 8
_RATE_SECONDS = 1.0


class Kind(enum.Enum):
    PROVEN = "proven"
    NEW = "new"
    FAILING = "failing"


@dataclass
class _Endpoint:
    kind: Kind = Kind.NEW
    successes: int = 0
    """In a row; half of them are forgotten when the endpoint asks to go slower."""
    slow: bool = False
    began: deque[float] = field(default_factory=deque)
    """When its attempts in flight began, the oldest first."""
    progress_at: float = -math.inf
    """When it last gave a slot back, or took one while it held none."""
    busy_since: float = -math.inf
    rate: float = 0.0
    """Slots given back in the last second, roughly."""
    line: deque["asyncio.Future[None]"] = field(default_factory=deque)


class Bulkhead:
    """Slots in three parts. `now` gives seconds of a monotonic clock."""

    def __init__(
        self, now: Callable[[], float], slots: int = SLOTS, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._now = now
        self._slots = slots
        self._patience = patience_seconds
        self._endpoints: dict[str, _Endpoint] = {}
        self._held = dict.fromkeys(Kind, 0)
        self._freed_at = dict.fromkeys(Kind, -math.inf)
        self._waiting: dict[str, _Endpoint] = {}
        """Endpoints in whose line somebody waits, the longest passed over first."""

    @contextlib.asynccontextmanager
    async def slot(self, endpoint: str) -> AsyncIterator[bool]:
        """Holds a slot while the block runs; False where there is none to be had soon."""
        taken = self.take(endpoint) or await self._wait(endpoint)
        try:
            yield taken
        finally:
            if taken:
                self.give_back(endpoint)

    def record(self, endpoint: str, succeeded: bool) -> None:
        """Takes the outcome of an attempt into account, while it still holds its slot."""
        state = self._state(endpoint)
        state.successes = state.successes + 1 if succeeded else 0
        state.slow = False
        self._become(state, Kind.PROVEN if succeeded else Kind.FAILING)

    def slow_down(self, endpoint: str) -> None:
        """Takes into account that an endpoint, well as it is, asked to be sent less."""
        state = self._state(endpoint)
        state.successes = max(1, state.successes // 2)
        state.slow = False
        self._become(state, Kind.PROVEN)

    def take(self, endpoint: str) -> bool:
        """Takes a slot where one is free to this endpoint."""
        state, now = self._state(endpoint), self._now()
        if state.began and not state.slow and now - state.began[0] > SLOW_SECONDS:
            state.slow = True
            self._become(state, Kind.FAILING)
        if not self._may_take(state):
            return False
        if not state.began:
            state.progress_at = state.busy_since = now
        state.began.append(now)
        self._held[state.kind] += 1
        return True

    def give_back(self, endpoint: str) -> None:
        state, now = self._state(endpoint), self._now()
        state.began.popleft()
        self._held[state.kind] -= 1
        state.rate = state.rate * math.exp((state.progress_at - now) / _RATE_SECONDS) + 1.0
        state.progress_at = self._freed_at[state.kind] = now
        self._call_waiting(state)

    def _state(self, endpoint: str) -> _Endpoint:
        state = self._endpoints.get(endpoint)
        if state is None:
            state = self._endpoints[endpoint] = _Endpoint()
        return state

    def _become(self, state: _Endpoint, kind: Kind) -> None:
        self._held[state.kind] -= len(state.began)
        state.kind = kind
        self._held[kind] += len(state.began)

    def _may_take(self, state: _Endpoint) -> bool:
        held = len(state.began)
        free = self._slots - sum(self._held.values())
        if free <= 0:
            return False
        if state.kind is Kind.PROVEN:
            return held < min(free, max(1, state.successes))
        if state.kind is Kind.NEW:
            return held == 0 and self._held[Kind.NEW] < self._slots // 2
        return held < min(free, self._slots // 4 - self._held[Kind.FAILING])

    async def _wait(self, endpoint: str) -> bool:
        """Waits in the endpoint's line, as long as that moves."""
        state = self._state(endpoint)
        while (patience := self._worth_waiting(state)) > 0:
            turn = asyncio.get_running_loop().create_future()
            state.line.append(turn)
            self._waiting[endpoint] = state
            try:
                async with asyncio.timeout(patience):
                    await turn
            except TimeoutError:
                continue
            finally:
                if not turn.done() or turn.cancelled():
                    state.line.remove(turn)
            if self.take(endpoint):
                return True
        return False

    def _worth_waiting(self, state: _Endpoint) -> float:
        """For how long; 0 where the endpoint moves too slowly for the line it has already."""
        now = self._now()
        moved_at = state.progress_at if state.began else max(state.progress_at, self._freed_at[state.kind])
        begun = now - state.busy_since < self._patience  # how fast it moves is not known yet
        if not begun and len(state.line) >= max(
            _SHORTEST_LINE, state.rate * math.exp((moved_at - now) / _RATE_SECONDS)
        ):
            return 0.0
        return max(0.0, self._patience - (now - moved_at))

    def _call_waiting(self, state: _Endpoint) -> None:
        """Calls those whose turn it is: of the endpoint that has just given a slot back, and of the one that has been
        passed over the longest, to which the slot may be free as well."""
        self._call(state)
        while self._waiting:
            endpoint = next(iter(self._waiting))
            other = self._waiting.pop(endpoint)
            if other.line:
                self._waiting[endpoint] = other  # to the end
                if other is not state:
                    self._call(other)
                return

    def _call(self, state: _Endpoint) -> None:
        called = 0
        room = max(1, min(self._slots, state.successes) - len(state.began)) if state.kind is Kind.PROVEN else 1
        while state.line and called < room:
            turn = state.line.popleft()
            if not turn.done():
                turn.set_result(None)
                called += 1
