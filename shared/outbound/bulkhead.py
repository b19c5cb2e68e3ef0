"""The bulkhead: how many attempts one endpoint, and all that cannot be relied on together, have in flight at once.

Per instance, in memory, on the loop that dispatches. It knows nothing of a receiver but how it answers here:

- An endpoint begins with one attempt, and may have as many at once as it has had successes. A failure, an answer that
  asks for less, or being idle for a while halves that. So one that hangs holds one slot however much waits for it; one
  that answers quickly has all the slots it can use within a few answers; and a receiver's limit is met by few attempts.
- A *proven* endpoint (its last attempt succeeded, and soon) may hold up to as many slots as are free. The last quarter
  of all slots is for first attempts alone, lest those that begin to hang in the middle of a burst take everything.
- *New* endpoints, of which nothing is known, have one slot each, and all together at most half of the slots.
- *Failing* endpoints (the last attempt failed or took seconds, or one has been waiting so long) have a quarter.
- Where only a quarter of the slots is free, new and failing endpoints may hold no more than an eighth.
- A delivery that goes in the request of another holds a slot as well, since the host has its message in hand.

A message that finds no slot waits in its endpoint's line where its turn is likely to come soon; else it is to go back
to the queue, so that the host can receive messages of other endpoints. That takes transactions and seconds, so the
first answer of a new endpoint is awaited by all of its messages, though the host may receive nothing meanwhile: for
half a second, or a tenth where the answers of several are awaited, and not again for a while after it was in vain.
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
"""For how long a message waits for a slot."""

QUICK_SECONDS = 0.1
"""An endpoint is answering quickly that has just answered, and has a turn for the next who waits so soon."""

SLOW_SECONDS = 3.0
"""An endpoint that keeps an attempt waiting for so long is not relied on, whatever it answers then."""

FAILING_TOGETHER = 5
"""Attempts that a failing endpoint may have at once: as many as open its breaker."""

FEW_LINES = 4
"""Where messages of so many endpoints wait, a first answer is awaited for `QUICK_SECONDS` only: if they all hang, the
host receives nothing for others meanwhile."""

WARY_SECONDS = 60.0
"""For how long after a first answer was awaited in vain others are awaited by fewer."""

_HOPELESS_AFTER = 2
"""Failures in a row, after which nobody waits for an endpoint."""

_IDLE_ANSWERS, _SHORTEST_ANSWER_SECONDS = 4, 0.001
"""Half of an endpoint's successes are forgotten whenever it has had no attempt in flight for so many of its answers."""


class Kind(enum.Enum):
    PROVEN = "proven"
    NEW = "new"
    FAILING = "failing"


_Turn = asyncio.Future[bool]
"""True: a slot was taken for the one who waits. False: it waits in vain."""


@dataclass
class _Endpoint:
    kind: Kind = Kind.NEW
    successes: int = 0
    """How many attempts it may have at once, but for the first."""
    failures: int = 0
    """In a row."""
    began: deque[float] = field(default_factory=deque)
    """One for each slot held: when its attempts in flight began, if they end in the order in which they began. Where
    they do not, ages are confused between attempts of the same endpoint, and are right on average."""
    answer_seconds: float = 0.0
    """How long the last attempt took."""
    freed_at: float = -math.inf
    """When it ended."""
    joined: int = 0
    """Slots of deliveries that go in the request of another."""
    line: deque[_Turn] = field(default_factory=deque)

    @property
    def held(self) -> int:
        return len(self.began) + self.joined


class Bulkhead:
    """The slots. `now` gives seconds of a monotonic clock."""

    def __init__(
        self, now: Callable[[], float], slots: int = SLOTS, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._now = now
        self._slots = slots
        self._patience = patience_seconds
        self._endpoints: dict[str, _Endpoint] = {}
        self._held = dict.fromkeys(Kind, 0)
        self._freed_at = dict.fromkeys(Kind, -math.inf)
        """When one of each kind last gave a slot back, or became of another kind."""
        self._lines: dict[str, _Endpoint] = {}
        """Endpoints in whose line somebody waits; the one served last comes last."""
        self._waiting = 0
        self._wary_until = -math.inf

    @contextlib.asynccontextmanager
    async def slot(self, endpoint: str, taken_along: "asyncio.Future[None] | None" = None) -> AsyncIterator[bool]:
        """Holds a slot while the block runs; False where there is none to be had soon. `taken_along` is of a delivery
        that may go in another's request: it is done when it does, and nothing more is waited for."""
        taken = self.take(endpoint) or await self._wait(endpoint, taken_along)
        try:
            yield taken
        finally:
            if taken:
                self.give_back(endpoint)

    def record(self, endpoint: str, succeeded: bool) -> None:
        """Takes the outcome of an attempt into account, while it still holds its slot."""
        state = self._state(endpoint)
        if succeeded:
            state.successes, state.failures = state.successes + 1, 0
            self._become(state, Kind.PROVEN)
            return
        state.successes, state.failures = state.successes // 2, state.failures + 1
        self._become(state, Kind.FAILING)
        if state.failures >= _HOPELESS_AFTER:
            self._send_back(endpoint, state)

    def slow_down(self, endpoint: str) -> None:
        """Takes into account that an endpoint, well as it is, asked to be sent less. Nobody waits for a slot any more:
        those in its line must first ask when their time is."""
        state = self._state(endpoint)
        state.successes, state.failures = state.successes // 2, 0
        self._become(state, Kind.PROVEN)
        self._send_back(endpoint, state)

    def take(self, endpoint: str) -> bool:
        """Takes a slot where one is free to this endpoint, and nobody waits for it."""
        state = self._state(endpoint)
        if state.line:
            return False
        if not state.began and state.successes:
            idle = (self._now() - state.freed_at) / max(state.answer_seconds, _SHORTEST_ANSWER_SECONDS)
            state.successes >>= min(int(idle / _IDLE_ANSWERS), 32)
        return self._take(state)

    def give_back(self, endpoint: str) -> None:
        """Gives a slot back, to whoever waits for one."""
        state, now = self._state(endpoint), self._now()
        state.answer_seconds, state.freed_at = now - state.began.popleft(), now
        self._held[state.kind] -= 1
        self._freed_at[state.kind] = now
        self._hand_out()

    def join(self, endpoint: str) -> bool:
        """Takes a slot for a delivery that is to go in a request which has its own: never of the last quarter, and of
        an endpoint that is not proven only while all such hold less than a quarter."""
        state, free, quarter = self._state(endpoint), self._free(), self._slots // 4
        unproven = self._held[Kind.NEW] + self._held[Kind.FAILING]
        if free <= quarter or state.held >= free or (state.kind is not Kind.PROVEN and unproven >= quarter):
            return False
        state.joined += 1
        self._held[state.kind] += 1
        return True

    def part(self, endpoint: str, count: int) -> None:
        """Gives back the slots of so many deliveries that went in another's request."""
        state = self._state(endpoint)
        state.joined -= count
        self._held[state.kind] -= count
        self._freed_at[state.kind] = self._now()
        self._hand_out()

    def _state(self, endpoint: str) -> _Endpoint:
        state = self._endpoints.get(endpoint)
        if state is None:
            state = self._endpoints[endpoint] = _Endpoint()
        return state

    def _become(self, state: _Endpoint, kind: Kind) -> None:
        """Of this kind, unless it keeps an attempt waiting: there may be any number of those that answer in the end."""
        if state.began and self._now() - state.began[0] > SLOW_SECONDS:
            kind = Kind.FAILING
        if kind is not state.kind:
            self._held[state.kind] -= state.held
            self._freed_at[state.kind] = self._now()
            state.kind = kind
            self._held[kind] += state.held

    def _take(self, state: _Endpoint) -> bool:
        self._become(state, state.kind)
        if not self._may_take(state):
            return False
        state.began.append(self._now())
        self._held[state.kind] += 1
        return True

    def _may_take(self, state: _Endpoint) -> bool:
        held, free = state.held, self._free()
        most = max(FAILING_TOGETHER if state.kind is Kind.FAILING else 1, state.successes)
        if free <= 0 or len(state.began) >= most or (held and held >= free):
            return False
        ample = free > self._slots // 4
        if state.kind is Kind.PROVEN:
            return ample or held == 0
        share = self._slots // (2 if state.kind is Kind.NEW else 4)
        unproven = self._held[Kind.NEW] + self._held[Kind.FAILING]
        return self._held[state.kind] < share and (ample or unproven < self._slots // 8)

    def _free(self) -> int:
        return self._slots - sum(self._held.values())

    async def _wait(self, endpoint: str, taken_along: "asyncio.Future[None] | None") -> bool:
        """Waits in the endpoint's line; True with a slot taken."""
        state = self._state(endpoint)
        first = self._awaits_first_answer(state)
        worth = self._worth_waiting(state, together=taken_along is not None)
        seconds = first or (self._patience if worth else 0.0)
        if not seconds:
            return False
        turn: _Turn = asyncio.get_running_loop().create_future()
        state.line.append(turn)
        self._lines[endpoint] = state
        self._waiting += 1
        try:
            ends: set[_Turn | asyncio.Future[None]] = {turn, taken_along or turn}
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not turn.done():
                self._leave(endpoint, state, turn)
            elif turn.result():
                self.give_back(endpoint)
            raise
        if turn.done():
            return turn.result()
        self._leave(endpoint, state, turn)
        if first and not (taken_along and taken_along.done()):
            self._wary_until = self._now() + WARY_SECONDS
        return False

    def _worth_waiting(self, state: _Endpoint, together: bool) -> bool:
        """Whether a turn at the end of the line is likely to come soon. But for those of an endpoint that is answering
        quickly, and those who await a first answer, all who wait leave half of the free slots' number to the host, so
        that it goes on receiving. A proven endpoint may take of that half as well: else those of unproven ones would
        take all the room that there is."""
        seconds = self._expected_wait(state, together)
        if state.failures >= _HOPELESS_AFTER or seconds >= self._patience:
            return False
        quick = max(seconds, self._now() - state.freed_at) <= QUICK_SECONDS
        free = self._free()
        return quick or self._waiting < (free * 3 // 4 if state.kind is Kind.PROVEN else free // 2)

    def _awaits_first_answer(self, state: _Endpoint) -> float:
        """For how many seconds, where all that is known of an endpoint, new or idle before, is that attempts began a
        moment ago; else 0."""
        if state.kind is Kind.FAILING or not state.began or self._now() < self._wary_until:
            return 0.0
        patience = self._patience if len(self._lines) < FEW_LINES else QUICK_SECONDS
        began = state.began[0]
        return patience if state.freed_at <= began and self._now() - began < patience else 0.0

    def _expected_wait(self, state: _Endpoint, together: bool) -> float:
        """Seconds; with each round of answers about twice as many attempts are in flight, and after the next all go
        that go together. An endpoint that has not answered yet is taken to need as long as it has needed so far."""
        now = self._now()
        if not state.began:
            return now - self._freed_at[state.kind]  # it waits for a slot of another endpoint
        answer = max(state.answer_seconds, now - state.began[0])
        return answer if together else answer * math.log2(1 + (len(state.line) + 1) / len(state.began))

    def _leave(self, endpoint: str, state: _Endpoint, turn: _Turn) -> None:
        state.line.remove(turn)
        self._waiting -= 1
        if not state.line:
            del self._lines[endpoint]

    def _send_back(self, endpoint: str, state: _Endpoint) -> None:
        self._lines.pop(endpoint, None)
        self._waiting -= len(state.line)
        while state.line:
            state.line.popleft().set_result(False)

    def _hand_out(self) -> None:
        """Gives free slots to those who wait: endpoint after endpoint, and whoever waits longest for one."""
        passed_over = 0
        while passed_over < len(self._lines) and self._free() > 0:
            endpoint = next(iter(self._lines))
            state = self._lines.pop(endpoint)
            self._lines[endpoint] = state  # to the end
            if not self._take(state):
                passed_over += 1
                continue
            passed_over = 0
            turn = state.line[0]
            self._leave(endpoint, state, turn)
            turn.set_result(True)
