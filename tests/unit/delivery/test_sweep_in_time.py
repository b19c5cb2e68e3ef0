"""What the host cannot hand over leaves `deliveries-poison` at the first end of its lease: the sweep, the host that
takes the same messages, and the timer that begins the sweep, on a clock that jumps."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from doubles import virtual_time
from doubles.storage_account import Account, app_on
from local.host.backoff import Backoff
from local.host.ncrontab import Schedule, parse_schedule
from shared.app import App
from shared.delivery import poison
from shared.settings import read_settings
from shared.storage.queues import Queue, Received

ROOT = Path(__file__).parents[3]
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)
LEASE = timedelta(minutes=10).total_seconds()
CALL_SECONDS = 0.02
STATUS_SECONDS = 0.05
QUEUES = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
HOSTILE = '{"id":"mine","dequeueCount":"abc"}'
SETTINGS = read_settings(
    {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": Fernet.generate_key().decode()}
)


@dataclass
class Hidden:
    """A message, and until when nobody sees it."""

    text: str
    until: float = 0.0


@dataclass
class PoisonQueue:
    """As shared.storage.queues.Queue, on the loop's clock."""

    messages: list[Hidden] = field(default_factory=list)

    def take(self, count: int, seconds: float) -> list[Hidden]:
        now = seconds_now()
        found = [message for message in self.messages if message.until <= now][:count]
        for message in found:
            message.until = now + seconds
        return found

    def receive(self, count: int, hidden: timedelta) -> list[Received]:
        taken = self.take(count, hidden.total_seconds())
        return [Received(str(id(message)), "", message.text.encode(), None, 1) for message in taken]

    def delete(self, received: Received) -> None:
        self.messages = [message for message in self.messages if str(id(message)) != received.id]

    def length(self) -> int:
        return len(self.messages)


def seconds_now() -> float:
    return asyncio.get_running_loop().time()


def moment(seconds: float) -> datetime:
    return MIDNIGHT + timedelta(seconds=seconds)


async def in_time(function: Callable[..., Any], *arguments: Any) -> Any:
    """A call to storage takes a while, and has its effect at the end of it."""
    await asyncio.sleep(CALL_SECONDS)
    return function(*arguments)


def app_with(queue: PoisonQueue) -> App:
    app = app_on(Account(), SETTINGS, cast(Any, None), lambda: moment(seconds_now()))
    return replace(app, poison=cast(Queue, queue), seconds=seconds_now, sleep=asyncio.sleep, in_thread=in_time)


async def host(queue: PoisonQueue, chance: random.Random) -> None:
    """The listener of `exhausted`: it takes a hostile message for a lease, and fails before it runs any code."""
    hours, minutes, seconds = map(int, QUEUES["maxPollingInterval"].split(":"))
    longest = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    backoff = Backoff(longest, lambda: chance.uniform(0.8, 1.2))
    while True:
        if queue.take(QUEUES["batchSize"], LEASE):
            backoff.reset()
        await asyncio.sleep(backoff.next_delay().total_seconds() + chance.uniform(0.01, 0.05))


async def timer(app: App, schedule: Schedule) -> None:
    """As local.host.timer_listener: never twice at a time, and at once where a run outlasted its period."""
    due = schedule.next_after(moment(seconds_now()))
    while True:
        await asyncio.sleep(max(0.0, (due - moment(seconds_now())).total_seconds()))
        began = moment(seconds_now())
        await poison.sweep(app)
        await asyncio.sleep(STATUS_SECONDS)
        due = schedule.next_after(began)


async def minutes_until_drained(schedule: Schedule, put_at: float, seed: int) -> float:
    """How long a batch of fifteen is in the queue that a caller with the storage's key, or the host, has put."""
    queue, chance = PoisonQueue(), random.Random(seed)
    tasks = [asyncio.create_task(host(queue, chance)), asyncio.create_task(timer(app_with(queue), schedule))]
    await asyncio.sleep(put_at + chance.random())
    began = seconds_now()
    queue.messages = [Hidden(HOSTILE.replace("mine", str(number))) for number in range(15)]
    while queue.messages and seconds_now() < began + 4 * LEASE:
        await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return (seconds_now() - began) / 60


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    """The one in function_app.py."""
    text = (ROOT / "function_app.py").read_text(encoding="utf-8")
    return parse_schedule(
        text.partition("\nasync def sweep")[0].rpartition('timer_trigger("timer", "')[2].partition('"')[0]
    )


def test_poison_is_drained_within_ten_minutes_whenever_it_comes(schedule: Schedule) -> None:
    """The sweep paused at the end of each five minutes, of which a lease has two: what came back in a pause came back
    in each, and of 60 batches 8 were there for 20 to 40 minutes. Now they go at the end of the first lease, but for one
    in twenty that the host is quicker to take once more."""
    whenever = range(600, 1200, 10)
    minutes = [virtual_time.run(minutes_until_drained(schedule, put_at, put_at)) for put_at in whenever]
    late = [each for each in minutes if each > LEASE / 60 + 0.1]
    assert len(late) <= len(minutes) // 20
    assert max(minutes) <= 2 * LEASE / 60 + 0.2


def test_the_period_does_not_divide_the_lease(schedule: Schedule) -> None:
    """Else one bad moment is a bad moment every time."""
    first = schedule.next_after(MIDNIGHT)
    period = (schedule.next_after(first) - first).total_seconds()
    assert LEASE % period
    assert poison._SWEEP_LENGTH.total_seconds() > period
