"""Publishing at a steady rate. Time zero of an event is when it was to be sent: a slow publisher hides nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from e2e.api import Api, custom

CALLERS = 16


@dataclass(frozen=True)
class Sent:
    """One accepted event; times are on the monotonic clock."""

    key: str
    scheduled_at: float
    answered_at: float


def publish_steadily(api: Api, event_type: str, per_second: float, seconds: float) -> list[Sent]:
    """Publishes for some seconds, one event a call; answers when the last call is answered."""
    began, callers = time.monotonic() + 0.2, threading.local()
    opened: list[Api] = []

    def publish(number: int) -> Sent:
        if not hasattr(callers, "api"):
            callers.api = Api(api.base, api.key)
            opened.append(callers.api)
        scheduled_at = began + number / per_second
        threading.Event().wait(max(0.0, scheduled_at - time.monotonic()))
        event = custom(event_type, text="x" * 200)
        callers.api.publish(event)
        return Sent(event["meta"]["idempotencyKey"], scheduled_at, time.monotonic())

    with ThreadPoolExecutor(CALLERS) as pool:
        sent = list(pool.map(publish, range(round(per_second * seconds))))
    for caller in opened:
        caller.close()
    return sent
