"""What both stand-ins share: who may call, and trouble that a test orders."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Trouble:
    """An answer that comes instead of the right one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


class DeskServer:
    """Answers those who know the password. `troubles` come first, one a request."""

    def __init__(self, user: str = "bridge", password: str = "open sesame") -> None:  # noqa: S107
        self.user = user
        self.password = password
        self.troubles: list[Trouble] = []
        self.asked: list[str] = []
        """Method and path of every request, in order."""
        self.url = ""

    def application(self, routes: list[web.AbstractRouteDef]) -> web.Application:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(middlewares=[guard])
        app.add_routes(routes)
        return app

    def error(self, status: int) -> Any:
        """The body of an answer with this status."""
        raise NotImplementedError

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response(self.error(401), status=401, headers={"WWW-Authenticate": "Basic"})
        if self.troubles:
            trouble = self.troubles.pop(0)
            return web.json_response(self.error(trouble.status), status=trouble.status, headers=trouble.headers)
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return web.json_response(self.error(404), status=404)
