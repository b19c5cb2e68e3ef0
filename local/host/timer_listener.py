"""The timer trigger: one host holds the lock of a timer and runs it on its schedule, never twice at a time."""

import asyncio
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from azure.core.exceptions import AzureError
from azure.functions.meta import Datum

from local.host.app import Function, Retry, TimerTrigger
from local.host.ncrontab import Schedule
from local.host.queue_listener import first_line
from local.host.storage import Reachability
from local.host.timer_state import LEASE_SECONDS, Status, TimerState
from local.host.wakeups import wait_for_any
from local.host.worker import Completed, Worker

logger = logging.getLogger("host.timer")
LOCK_RETRY = timedelta(seconds=LEASE_SECONDS)
UNREACHABLE_RETRY = timedelta(seconds=2)


@dataclass(frozen=True)
class StartDecision:
    """What a timer does when its host starts: the status to hold, whether to write it, and whether a run was missed."""

    status: Status
    write: bool
    past_due: bool


def decide_start(stored: Status | None, schedule: Schedule, now: datetime) -> StartDecision:
    """A stored next run in the past is past due, unless the schedule has changed since it was stored."""
    if stored is None:
        return StartDecision(Status(None, schedule.next_after(now), now), write=True, past_due=False)
    basis = stored.last or stored.updated
    expected = schedule.next_after(basis)
    if expected == stored.next:
        return StartDecision(stored, write=False, past_due=now > stored.next)
    if now > expected:
        basis, expected = now, schedule.next_after(now)
    return StartDecision(Status(None, expected, basis), write=True, past_due=False)


def timer_datum(status: Status | None, past_due: bool) -> Datum:
    document: dict[str, Any] = {"Schedule": {"AdjustForDST": True}, "IsPastDue": past_due}
    document["ScheduleStatus"] = status.document() if status else None
    return Datum(json.dumps(document), "json")


class TimerListener:
    def __init__(
        self, function: Function, trigger: TimerTrigger, state: TimerState, worker: Worker, reachability: Reachability
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._schedule = trigger.schedule
        self._state = state
        self._worker = worker
        self._reachability = reachability
        self._status: Status | None = None
        self._monitored = trigger.use_monitor and not trigger.schedule.is_of_seconds

    async def listen(self, stop: asyncio.Event) -> None:
        """Hold the lock and run the timer until `stop` is set; finishes a run that is under way."""
        while not stop.is_set():
            try:
                if await self._state.acquire_lock():
                    self._reachability.reached()
                    await self._run_while_locked(stop)
                else:
                    self._reachability.reached()
                    logger.info("Timer %s is run by another host; asking again in 60 s.", self._function.name)
                    await wait_for_any(stop, within=LOCK_RETRY)
            except AzureError as error:
                self._reachability.failed(error)
                await wait_for_any(stop, within=UNREACHABLE_RETRY)

    async def _run_while_locked(self, stop: asyncio.Event) -> None:
        lost = asyncio.Event()
        renewal = asyncio.create_task(self._renew(lost))
        halt = asyncio.create_task(stop.wait())
        halt.add_done_callback(lambda _: lost.set())  # one event to wait for: either ends the listening
        try:
            await self._start(lost)
            while not lost.is_set():
                await wait_for_any(lost, within=self._upcoming() - datetime.now(UTC))
                if not lost.is_set() and datetime.now(UTC) >= self._upcoming():
                    await self._run(past_due=False)
        finally:
            renewal.cancel()
            halt.cancel()
            await asyncio.wait((renewal, halt))
            try:
                await self._state.release_lock()
            except AzureError as error:
                logger.debug("The lock of timer %s ends by itself: %s", self._function.name, first_line(error))

    async def _start(self, ended: asyncio.Event) -> None:
        now = datetime.now(UTC)
        stored = await self._state.read_status() if self._monitored else None
        decision = decide_start(stored, self._schedule, now)
        self._status = decision.status
        if self._monitored and decision.write:
            await self._state.write_status(decision.status)
        if ended.is_set():
            return
        if self._monitored and decision.past_due:
            await self._run(past_due=True)
        elif self._trigger.run_on_startup:
            await self._run(past_due=False)

    def _upcoming(self) -> datetime:
        if self._status is None:
            raise RuntimeError("the timer has not started")
        return self._status.next

    async def _run(self, past_due: bool) -> None:
        started_at = datetime.now(UTC)
        await self._invoke_with_retries(past_due)
        self._status = Status(started_at, self._schedule.next_after(started_at), started_at)
        if self._monitored:
            try:
                await self._state.write_status(self._status)
            except AzureError as error:
                logger.warning("The status of timer %s was not written: %s", self._function.name, first_line(error))

    async def _invoke_with_retries(self, past_due: bool) -> None:
        data = timer_datum(self._status if self._monitored else None, past_due)
        tried = 0
        while True:
            outcome = await self._worker.invoke(self._function, data, {})
            retry = self._function.retry
            if isinstance(outcome, Completed) or retry is None or tried == retry.count:
                return
            await asyncio.sleep(retry_delay(retry, tried).total_seconds())
            tried += 1

    async def _renew(self, lost: asyncio.Event) -> None:
        held = True
        ends_at = monotonic() + LEASE_SECONDS
        pause: float = LEASE_SECONDS / 2
        while held and monotonic() < ends_at:
            await asyncio.sleep(pause)
            try:
                held = await self._state.renew_lock()
            except AzureError as error:
                self._reachability.failed(error)
                pause = UNREACHABLE_RETRY.total_seconds()
            else:
                ends_at = monotonic() + LEASE_SECONDS
                pause = LEASE_SECONDS / 2
        logger.warning("The lock of timer %s is lost; asking for it again.", self._function.name)
        lost.set()


def retry_delay(retry: Retry, tried: int) -> timedelta:
    """The wait before the next try: doubling from the first to the longest."""
    doubled: timedelta = retry.first * 2 ** min(tried, 20)
    return min(doubled, retry.longest)
