"""Handlers on real storage, and nothing a caller sends is a 500."""

import asyncio
import inspect
import json
from dataclasses import dataclass
from typing import Any, cast

import azure.functions as func

from shared.api import endpoints
from shared.api.http import routing as routes
from shared.api.http.operation import AnyHandler, Handler, LoopHandler

from .scene import Scene


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]
    text: str


@dataclass
class Api:
    """Handlers called as the function host calls them, authorisation aside."""

    scene: Scene

    def __call__(
        self, handler: AnyHandler, body: Any = None, route: str = "", prefer: str = "", **params: str
    ) -> Answer:
        text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = func.HttpRequest(
            "POST",
            "http://127.0.0.1/",
            headers={"content-type": "application/json", "prefer": prefer},
            params={name.rstrip("_"): value for name, value in params.items()},
            route_params={"id": route, "key": route},
            body=text,
        )
        if inspect.iscoroutinefunction(handler):
            response = asyncio.run(routes.serve_on_the_loop(request, (), cast(LoopHandler, handler)))
        else:
            response = routes.serve(request, (), cast(Handler, handler))
        answer = response.get_body().decode()
        assert response.status_code != 500, answer
        return Answer(response.status_code, json.loads(answer or "null"), dict(response.headers), answer)

    def registered(self, url: str, **given: Any) -> dict[str, Any]:
        """Registers a URL for all types, or changes what is said of it; returns the endpoint as it is shown."""
        body = {"endpoint": url, "types": ["*"], **given}
        answer = self(endpoints.register, body, prefer="return=representation")
        assert answer.status == 200, answer.text
        shown: dict[str, Any] = answer.body
        return shown
