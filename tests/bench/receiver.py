"""The receiver of the benchmarks, a process of its own: `python -m bench.receiver`.

It keeps what arrives and when, on the monotonic clock, which all processes of a machine share. Paths below `/hang`
answer after 30 s, all others at once. `GET /received?from=N&count=M` lists what came from the N-th POST on, once there
are M of them; with `paths=` (separated by spaces) only those to these paths.
"""

import asyncio
import time

from aiohttp import web

from local.host.__main__ import exit_with_parent
from local.serving import serving

HANG_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 300.0


class Receiver:
    def __init__(self) -> None:
        self._received: list[tuple[str, str, float]] = []
        self._came = asyncio.Event()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1024**2)
        app.router.add_post("/{any:.*}", self._take)
        app.router.add_get("/received", self._list)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        at = time.monotonic()
        await request.read()
        self._received.append((request.path, request.headers["webhook-id"], at))
        self._came.set()
        if request.path.startswith("/hang"):
            await asyncio.sleep(HANG_SECONDS)
        return web.Response()

    async def _list(self, request: web.Request) -> web.Response:
        first, count = int(request.query["from"]), int(request.query["count"])
        paths = set(request.query["paths"].split())
        found: list[tuple[str, str, float]] = []
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                while True:
                    new = self._received[first:]
                    first += len(new)
                    found += [each for each in new if not paths or each[0] in paths]
                    if len(found) >= count:
                        return web.json_response(found)
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return web.Response(status=504, text=f"{len(found)} of {count} came")


async def main() -> None:
    async with serving(Receiver().application()) as url:
        print(f"Listening on {url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    exit_with_parent()
    asyncio.run(main())
