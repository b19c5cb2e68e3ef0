"""What the app writes while things happen to it: its own code runs in the small world of the crash tests."""

import dataclasses
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from doubles.simulated_host import Host
from doubles.simulated_storage import START, Odds, World
from shared.app import App
from shared.delivery.operational_events import publish_endpoint_disabled
from shared.delivery.queue_metrics import measure
from shared.model import Event, Health
from shared.storage.delivery_queue import DeliveryQueue
from shared.storage.queues import DELIVERIES, POISON, Queue
from shared.storage.workspaces import PROVISIONING, PROVISIONING_POISON

from .queries import Row

__all__ = ["START", "Happening", "Odds"]

MINUTE = timedelta(minutes=1)


class _Measured:
    """A queue as the timer `measure` sees it."""

    def __init__(self, name: str, length: int, due_at: datetime) -> None:
        self.name, self._length, self._due_at = name, length, due_at

    def length(self) -> int:
        return self._length

    def peek(self) -> tuple[bytes, datetime] | None:
        return (b"not a delivery: measured by when it was put", self._due_at) if self._length else None


class Happening:
    """A stretch of time with the lines that the app wrote in it."""

    def __init__(self, odds: Odds | None = None) -> None:
        self.traces: list[Row] = []
        self.requests: list[Row] = []
        self.world = World(random.Random(6), odds or Odds(receiver_fails=0.0))
        self.host = Host(self.world)

    @property
    def app(self) -> App:
        return self.host.app

    def publishes(self, events: int) -> None:
        """Until every delivery has come to its end."""
        named = [
            Event(
                type="custom.test", content="{}", time_stamp="2026-11-22T10:00:00Z", key=f"key-{number}", severity="low"
            )
            for number in range(events)
        ]
        with self._recording():
            self.host.run(named)

    def measures(self, minutes: int, *, length: int = 0, due_for: timedelta = timedelta(), poison: int = 0) -> None:
        """Once a minute from the start on; messages have been due for so long."""
        for minute in range(minutes):
            self.world.now = START + minute * MINUTE
            with self._recording():
                waiting = _Measured(DELIVERIES, length, self.world.now - due_for)
                stuck = _Measured(POISON, poison, self.world.now)
                queue = cast(DeliveryQueue, SimpleNamespace(raw=waiting))
                idle = [cast(Queue, _Measured(name, 0, self.world.now)) for name in (PROVISIONING, PROVISIONING_POISON)]
                app = dataclasses.replace(self.app, queue=queue, poison=cast(Queue, stuck))
                measure(dataclasses.replace(app, provisioning=idle[0], provisioning_poison=idle[1]))

    def disables(self, number: int, minute: int) -> None:
        """One of the endpoints, as after a 410."""
        self.world.now = START + minute * MINUTE
        health = Health(generation=1, disabled_reason="the receiver answered 410 Gone", disabled_at=self.world.now)
        endpoint = self.app.endpoints.all()[number].model_copy(update={"health": health})
        with self._recording():
            publish_endpoint_disabled(self.app, endpoint, about="webhook.delivery_failed")

    def finds_junk(self, body: bytes) -> None:
        """On the poison queue."""
        with self._recording():
            self.host.poisons(body)

    def writes(self, message: str, minute: int = 0, level: int = 1) -> None:
        """A line of something that does not run here; 3 is the level of errors."""
        self._keep(START + minute * MINUTE, message, level)

    def runs(self, function: str, code: str, *, times: int = 1, minute: int = 0, success: bool = False) -> None:
        """Invocations as the host records them; only HTTP has a status, the host writes 0 for the others."""
        row = {"TimeGenerated": _naive(START + minute * MINUTE), "Name": function, "Success": success}
        self.requests += [{**row, "ResultCode": code, "DurationMs": 5.0, "OperationId": "0"} for _ in range(times)]

    def _keep(self, at: datetime, message: str, level: int = 1) -> None:
        row = {"TimeGenerated": _naive(at), "Message": message, "SeverityLevel": level}
        self.traces.append({**row, "OperationId": "0"})

    @contextmanager
    def _recording(self) -> Iterator[None]:
        keep, world = self._keep, self.world

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                keep(world.now, record.getMessage())

        logger, handler = logging.getLogger("tenant_hooks"), Handler()
        before: Any = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)


def _naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)
