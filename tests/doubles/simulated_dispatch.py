"""A host and its queue in virtual time, around the real breaker, pacing and bulkhead.

What is held back, for how long, and what is learnt of an attempt is decided by shared/delivery/gate.py. Tables and
signatures are left out, so that ten minutes of a hundred endpoints take seconds.
"""

import asyncio
import heapq
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from doubles.simulated_receivers import Answer, Receiver
from shared.delivery.attempt import Attempted
from shared.delivery.gate import Deferral, GiveUp, chance, held_by_pace, through_gate
from shared.delivery.schedule import asks_for_less, is_success
from shared.model import Attempt
from shared.outbound.breaker import Breaker
from shared.outbound.bulkhead import Bulkhead
from shared.outbound.pacing import Pacing

BATCH, IN_HAND = 32, 224
"""batchSize and newBatchThreshold of host.json."""

BEGINNING = datetime(2026, 11, 19, tzinfo=UTC)
DEADLINE_SECONDS = 30.0
RETRIES_SECONDS = (30.0, 120.0, 600.0)
WHOLE_SECONDS = sum(RETRIES_SECONDS) + 15 * 60
"""When a delivery is given up."""

STORAGE_SECONDS = 0.005
"""For each call of the queue or a table."""

CPU_SECONDS = 0.001
"""What one message costs the one thread that there is, whatever becomes of it."""


@dataclass(frozen=True)
class Message:
    endpoint: str
    delivery: str
    published_at: float
    deadline_at: datetime
    attempt: int = 1
    schedule_start: int = 1
    deferrals: int = 0
    format: str = "point"


@dataclass(frozen=True)
class Endpoint:
    """What the gate asks of one."""

    id: str
    max_per_second: float | None
    host: str = "receiver.example"
    as_sent_to: tuple[object, ...] = ()


@dataclass
class Seen:
    """What became of an endpoint's deliveries."""

    posts_at: list[float] = field(default_factory=list)
    delivered: dict[str, float] = field(default_factory=dict)
    """When each was taken."""
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """When each was published, and after how long it was taken."""
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deferred_at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    deferred_by: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    given_up: dict[str, float] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0
    most_at: list[tuple[float, int]] = field(default_factory=list)
    """Each time there were more in flight than ever before."""


class Host:
    """Receives 32 messages whenever it has no more than 224 in hand, and handles each in a task of its own."""

    def __init__(
        self,
        receivers: dict[str, Receiver],
        cpu_seconds: float = CPU_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
        seed: int = 0,
    ) -> None:
        self.receivers = receivers
        self.whole_seconds = whole_seconds
        self.max_per_second: dict[str, float] = {}
        self.breaker = Breaker(timedelta(seconds=60))
        self.bulkhead = Bulkhead(self.now)
        self.pacing = Pacing()
        self._app: Any = SimpleNamespace(
            breaker=self.breaker,
            bulkhead=self.bulkhead,
            pacing=self.pacing,
            now=lambda: self._at(self.now()),
            seconds=self.now,
            sleep=asyncio.sleep,
            endpoints=SimpleNamespace(get_on_loop=self._endpoint),
            in_thread=None,
        )
        self.seen: dict[str, Seen] = defaultdict(Seen)
        self.in_hand = 0
        self.most_in_hand = 0
        self._chance = random.Random(seed)
        chance.seed(seed)
        self._cpu_seconds = cpu_seconds
        self._busy_until = 0.0
        self._queue: list[tuple[float, int, Message]] = []
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def put(self, message: Message, delay: float = 0.0) -> None:
        heapq.heappush(self._queue, (self.now() + math.ceil(delay), next(self._numbers), message))

    def publish(self, endpoint: str, count: int = 1) -> None:
        for _ in range(count):
            now = self.now()
            self.put(Message(endpoint, f"{endpoint}-{next(self._numbers)}", now, self._at(now + self.whole_seconds)))

    async def run(self, until: float, done: Callable[[], bool] = lambda: False) -> None:
        """Receives until a time, or until `done`."""
        pause = 0.1
        while self.now() < until and not done():
            if self.in_hand > IN_HAND:
                self._room.clear()
                await self._room.wait()
            await asyncio.sleep(STORAGE_SECONDS)
            received = self._receive()
            if received:
                pause = 0.1
                continue
            await asyncio.sleep(pause)
            pause = min(2.0, 0.1 + pause * self._chance.uniform(0.8, 1.2) * 2)

    async def end(self) -> None:
        """Waits until everything in hand has been handled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _receive(self) -> int:
        count = 0
        while self._queue and count < BATCH and self._queue[0][0] <= self.now():
            message = heapq.heappop(self._queue)[2]
            count += 1
            self.in_hand += 1
            task = asyncio.get_running_loop().create_task(self._handle(message))
            self._tasks.add(task)
            task.add_done_callback(self._handled)
        self.most_in_hand = max(self.most_in_hand, self.in_hand)
        return count

    def _handled(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.in_hand -= 1
        if self.in_hand <= IN_HAND:
            self._room.set()
        task.result()

    async def _handle(self, message: Message) -> None:
        self._busy_until = max(self._busy_until, self.now()) + self._cpu_seconds
        if self._cpu_seconds:
            await asyncio.sleep(self._busy_until - self.now())
        await self._attempt_or_defer(message)
        await asyncio.sleep(STORAGE_SECONDS)  # its deletion

    async def _attempt_or_defer(self, message: Message) -> None:
        real, endpoint = cast(Any, message), await self._endpoint(message.endpoint)
        outcome = await through_gate(self._app, real, endpoint, lambda within: self._attempt(message, within))
        if isinstance(outcome, Attempted):
            await self._conclude(message, endpoint, outcome)
        elif outcome is not None:
            await self._put_off(message, outcome)

    async def _endpoint(self, endpoint: str, _in_thread: object = None) -> Any:
        return Endpoint(endpoint, self.max_per_second.get(endpoint))

    async def _attempt(self, message: Message, within: timedelta | None) -> Attempted:
        began = self._at(self.now())
        answer = await self._post(message, DEADLINE_SECONDS if within is None else within.total_seconds())
        asked = None if answer.retry_after is None else timedelta(seconds=answer.retry_after)
        if asked is None:
            self.seen[message.endpoint].attempts[message.delivery] += 1
        status = 429 if asked is not None else 200 if answer.taken else 500
        return Attempted(Attempt(number=message.attempt, started_at=began, duration_ms=0, status=status), asked)

    async def _post(self, message: Message, within: float) -> Answer:
        seen, now = self.seen[message.endpoint], self.now()
        seen.posts_at.append(now)
        seen.in_flight += 1
        if seen.in_flight > seen.most_in_flight:
            seen.most_in_flight = seen.in_flight
            seen.most_at.append((now, seen.in_flight))
        answer = self.receivers[message.endpoint](now)
        await asyncio.sleep(min(answer.seconds, within))
        seen.in_flight -= 1
        if answer.seconds > within:
            return Answer(within, taken=False)
        if answer.taken and answer.retry_after is None:
            seen.delivered[message.delivery] = self.now()
            seen.latencies.append((message.published_at, self.now() - message.published_at))
        return answer

    async def _conclude(self, message: Message, endpoint: Any, attempted: Attempted) -> None:
        if asks_for_less(attempted.attempt.status, attempted.retry_after):
            held = held_by_pace(self._app, cast(Any, message), endpoint) or Deferral("pacing", 1.0)
            await self._put_off(message, held)
            return
        await asyncio.sleep(STORAGE_SECONDS)  # its row
        if is_success(attempted.attempt.status):
            return
        if message.attempt > len(RETRIES_SECONDS):
            self.seen[message.endpoint].given_up[message.delivery] = self.now()
            return
        delay = RETRIES_SECONDS[message.attempt - 1] * self._chance.uniform(1.0, 1.1)
        self.put(replace(message, attempt=message.attempt + 1, deferrals=0), delay)

    async def _put_off(self, message: Message, held: Deferral | GiveUp) -> None:
        await asyncio.sleep(STORAGE_SECONDS)
        seen = self.seen[message.endpoint]
        if isinstance(held, GiveUp):
            seen.given_up[message.delivery] = self.now()
            return
        seen.deferred_at[message.delivery].append(self.now())
        seen.deferred_by[held.by] += 1
        self.put(replace(message, deferrals=message.deferrals + 1), held.seconds)

    def _at(self, seconds: float) -> datetime:
        return BEGINNING + timedelta(seconds=seconds)


async def publish_steadily(host: Host, endpoints: Iterable[str], per_second: float, seconds: float) -> None:
    """An event for each endpoint, so many times a second, at moments of its own."""
    pauses, until = random.Random(1), host.now() + seconds

    async def publish(endpoint: str) -> None:
        await asyncio.sleep(pauses.uniform(0, 1 / per_second))
        while host.now() < until:
            host.publish(endpoint)
            await asyncio.sleep(1 / per_second)

    async with asyncio.TaskGroup() as group:
        for endpoint in endpoints:
            group.create_task(publish(endpoint))


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share of all does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def most_within(times: list[float], seconds: float) -> int:
    """The most that ever fell into so long a while, of which the end is not part."""
    first, most = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds + 1e-6:
            first += 1
        most = max(most, last - first + 1)
    return most
