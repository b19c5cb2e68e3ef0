"""A proxy between the app and Azurite that breaks what a test tells it to break."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from local.serving import serving

SERVICES = ("Blob", "Queue", "Table")


@dataclass(frozen=True)
class Answers:
    """Storage is not asked; the answer is this status, with this code of an error."""

    status: int
    code: str = ""


@dataclass(frozen=True)
class Waits:
    """Storage is asked so much later."""

    seconds: float


@dataclass(frozen=True)
class HangsUp:
    """The connection is reset: before storage is asked, or after it has done what was asked, so that the answer is
    lost."""

    afterwards: bool


Fault = Answers | Waits | HangsUp


@dataclass(frozen=True)
class Request:
    """`service` is Queue, Table or Blob; `resource` the path behind the account, such as `deliveries/messages`."""

    service: str
    method: str
    resource: str

    @property
    def writes(self) -> bool:
        return self.method != "GET"


Script = Callable[[Request], Fault | None]
"""What happens to a request; None: it passes. Called in the proxy's event loop."""


class Proxy:
    """Stands before the services of one connection string; `connection` leads through it."""

    def __init__(self) -> None:
        self.connection = ""
        self.faults: Counter[str] = Counter()
        self.script: Script = lambda request: None
        self._session: aiohttp.ClientSession

    def passes(self) -> None:
        """All is well again."""
        self.script = lambda request: None

    async def _handle(self, service: str, target: str, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        resource = urlsplit(request.raw_path).path.split("/", 2)[2]
        fault = self.script(Request(service, request.method, resource))
        if fault is not None:
            self.faults[f"{service} {fault}"] += 1
        match fault:
            case Answers(status, code):
                return web.Response(status=status, headers={"x-ms-error-code": code} if code else None)
            case HangsUp(afterwards=False):
                return _reset(request)
            case Waits(seconds):
                await asyncio.sleep(seconds)
        answer = await self._ask(target, request, body)
        return _reset(request) if fault == HangsUp(afterwards=True) else answer

    async def _ask(self, target: str, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        # The signature covers the headers, so all of them go on; the URL must stay byte for byte.
        url = URL(target + request.raw_path, encoded=True)
        try:
            async with self._session.request(request.method, url, headers=request.headers, data=body or None) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientError:
            return _reset(request)


HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def proxying(connection: str) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    proxy.connection = connection
    async with aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=("Content-Type", "User-Agent")
    ) as session:
        proxy._session = session
        async with _before("Blob", proxy), _before("Queue", proxy), _before("Table", proxy):
            yield proxy


@asynccontextmanager
async def _before(service: str, proxy: Proxy) -> AsyncIterator[None]:
    """Puts the proxy before one service: the value of `<service>Endpoint` in its connection string is changed."""
    parts = dict(part.split("=", 1) for part in proxy.connection.strip(";").split(";"))
    endpoint = urlsplit(parts[f"{service}Endpoint"])
    target = f"{endpoint.scheme}://{endpoint.netloc}"

    async def handle(request: web.Request) -> web.StreamResponse:
        return await proxy._handle(service, target, request)

    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{any:.*}", handle)
    async with serving(app) as url:
        proxy.connection = ";".join(
            f"{name}={value.replace(target, url) if name == f'{service}Endpoint' else value}"
            for name, value in parts.items()
        )
        yield
