"""Receivers: real servers that record what arrives and answer as a test says."""

import asyncio
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from doubles.background import Background

MARK = f"MARKED-{secrets.token_hex(8)}"
"""Stands for a secret: in the URL of every receiver, and in nothing that the app may show or log."""


@dataclass(frozen=True)
class Answer:
    """What a receiver says; `drip` seconds lie between the bytes of its body, without end; `hang_up` says nothing."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: float = 0
    hang_up: bool = False


@dataclass(frozen=True)
class Received:
    """One request, as it came over the wire. `target` is its request line's path and query."""

    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    """On the monotonic clock."""
    method: str = "POST"

    @property
    def key(self) -> str:
        return self.headers["webhook-id"]


class Hook:
    """One URL of a receiver. The n-th request with a `webhook-id` gets the n-th answer; the last one stays."""

    def __init__(self, url: str, answers: Sequence[int | Answer], background: Background) -> None:
        self.url = url
        self.received: list[Received] = []
        self._counts: Counter[str] = Counter()
        self._background = background
        self._gate = asyncio.Event()
        self._gate.set()
        self._changed = threading.Condition()
        self.answer(*answers)

    def answer(self, *answers: int | Answer) -> None:
        """From now on."""
        given = [Answer(each) if isinstance(each, int) else each for each in answers or (200,)]
        self.answer_by(lambda _, known: given[min(known, len(given) - 1)])

    def answer_by(self, choose: Callable[[str, int], Answer]) -> None:
        """From now on: `choose` is given the key and how many requests with it came before."""
        self._choose = choose

    def hold(self) -> None:
        """Requests wait for their answer until `release`."""
        self._gate.clear()

    def release(self) -> None:
        self._background.soon(self._gate.set)

    def of(self, key: str) -> list[Received]:
        return [each for each in list(self.received) if each.key == key]

    def wait(self, count: int = 1, within: float = 15, *, key: str | None = None) -> list[Received]:
        """The first `count` requests, as soon as they have come."""

        def found() -> list[Received]:
            return self.received if key is None else self.of(key)

        self.wait_until(lambda: len(found()) >= count, within)
        assert len(found()) >= count, f"{len(found())} of {count} requests came within {within} s"
        return found()[:count]

    def wait_until(self, true: Callable[[], bool], within: float) -> bool:
        """Asks again after each request."""
        with self._changed:
            return self._changed.wait_for(true, within)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        received = Received(request.raw_path, request.headers, body, time.monotonic(), request.method)
        key = received.headers.get("webhook-id", "")
        with self._changed:
            known = self._counts[key]
            self._counts[key] += 1
            self.received.append(received)
            self._changed.notify_all()
        await self._gate.wait()
        answer = self._choose(key, known)
        if answer.hang_up and request.transport:
            request.transport.abort()
        if not answer.drip:
            return web.Response(status=answer.status, text=answer.body, headers=answer.headers)
        response = web.StreamResponse(status=answer.status, headers={**answer.headers, "Content-Length": "1000000"})
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(answer.drip)


class Receiver:
    """Hooks on one server."""

    def __init__(self, base: str, hooks: dict[str, Hook], background: Background) -> None:
        self._base = base
        self._hooks = hooks
        self._background = background

    def hook(self, *answers: int | Answer, suffix: str = "") -> Hook:
        path = f"/{secrets.token_hex(6)}{suffix}"
        url = f"{self._base}{path}{'&' if '?' in path else '?'}code={MARK}"
        self._hooks[path.partition("?")[0]] = hook = Hook(url, answers, self._background)
        return hook


class Receivers:
    """The servers of a test session."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._runners: list[web.AppRunner] = []

    def serve(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Receiver:
        """A server of its own on the loopback interface, known to its callers as `host`."""
        hooks: dict[str, Hook] = {}
        port = self._background.run(self._serve(hooks, tls))
        return Receiver(f"http{'s' if tls else ''}://{host}:{port}", hooks, self._background)

    def close(self) -> None:
        for runner in self._runners:
            self._background.run(runner.cleanup())

    async def _serve(self, hooks: dict[str, Hook], tls: ssl.SSLContext | None) -> int:
        async def receive(request: web.Request) -> web.StreamResponse:
            hook = hooks.get(request.raw_path.partition("?")[0])
            return await hook.serve(request) if hook else web.Response(status=404)

        app = web.Application(client_max_size=1024**2)
        app.router.add_route("*", "/{any:.*}", receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return int(runner.addresses[0][1])
