"""Serves the companions' small HTTP applications."""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from local.malformed import log_without_what_was_sent
from local.ports import LOOPBACK


@contextlib.asynccontextmanager
async def serving(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` on `port` (0: any free one); the value is its URL."""
    log_without_what_was_sent()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()
