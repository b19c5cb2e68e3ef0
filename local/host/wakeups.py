"""What the host itself puts on a queue is told to that queue's listener, so that it need not wait for its next poll."""

import asyncio
from collections import defaultdict
from datetime import timedelta


class Wakeups:
    """Shared by all listeners of a host."""

    def __init__(self) -> None:
        self._listening: defaultdict[str, list[asyncio.Event]] = defaultdict(list)

    def of(self, queue: str) -> asyncio.Event:
        """Set whenever something was put on the queue; its listener clears it."""
        event = asyncio.Event()
        self._listening[queue].append(event)
        return event

    def put_on(self, queue: str) -> None:
        for event in self._listening[queue]:
            event.set()


async def wait_for_any(*events: asyncio.Event, within: timedelta) -> None:
    """Until one of them is set, or the time is over."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=max(0, within.total_seconds()), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
