"""An answer that is the same for everybody, kept for a moment: whoever asks often costs no more than who asks now and
then."""

import asyncio
import time
from collections.abc import Callable

from shared.api.http.call import Request, Response
from shared.api.http.operation import LoopHandler, operation_of


def kept(handler: LoopHandler, seconds: float, clock: Callable[[], float] = time.monotonic) -> LoopHandler:
    """The handler, run by one caller at a time; who waited for it, or comes within `seconds` after it, gets what it
    returned. It must read nothing of its request. What it raises is not kept."""
    lock = asyncio.Lock()
    latest: Response | None = None
    good_until = float("-inf")

    async def get(request: Request) -> Response:
        nonlocal latest, good_until
        async with lock:
            if latest is None or clock() >= good_until:
                latest = None
                latest = await handler(request)
                good_until = clock() + seconds
            return latest

    get.__module__, get.__name__ = handler.__module__, handler.__name__
    return operation_of(handler)(get)
