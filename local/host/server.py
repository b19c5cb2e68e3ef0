"""HTTP: the functions' routes, the admin routes and the home page."""

import asyncio
import json
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from aiohttp import web
from azure.functions.http import HttpResponseConverter
from azure.functions.meta import Datum

from local.host.app import Function, HttpTrigger, TimerTrigger
from local.host.queue_message import merge_body
from local.host.timer_listener import timer_datum
from local.host.worker import Failed, Worker, text_datum

logger = logging.getLogger("host.http")
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
HOME_PAGE = "<!doctype html><title>Function host</title><p>The local function host is running.</p>"


class Site:
    """Answers requests as the real host does; `admin_runs` are the invocations asked for through the admin route."""

    def __init__(self, functions: list[Function], worker: Worker, home_page: bool, body_limit_bytes: int) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._routes = [
            (function, function.trigger)
            for function in functions
            if isinstance(function.trigger, HttpTrigger) and not function.disabled
        ]
        self._worker = worker
        self._home_page = home_page
        self._body_limit_bytes = body_limit_bytes
        self.state = "Initialized"
        self.admin_runs: set[asyncio.Task[Any]] = set()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=self._body_limit_bytes)
        application.router.add_route("*", "/{path:(?s:.*)}", self.answer)
        return application

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        parts = path.strip("/").split("/")
        if (request.content_length or 0) > self._body_limit_bytes:
            # Before anything of the body is read; the connection cannot be used again after this.
            return web.Response(status=413, headers={"Connection": "close"})
        if parts[0].lower() == "admin" and (refusal := refuse_from_elsewhere(request)):
            return web.Response(status=403, text=refusal)
        if path.lower() == "/admin/host/status" and request.method == "GET":
            return web.json_response({"state": self.state})
        if len(parts) == 3 and path.lower().startswith("/admin/functions/") and request.method == "POST":
            return await self._run_by_admin(parts[2], request)
        for function, trigger in self._routes:
            # A wrong method is no match, so it ends as 404 unless a later function takes it.
            if trigger.methods and request.method not in trigger.methods:
                continue
            values = trigger.route.match(path)
            if values is not None:
                return await self._call(function, request, values)
        if path != "/":
            return web.Response(status=404)
        return web.Response(text=HOME_PAGE, content_type="text/html") if self._home_page else web.Response(status=204)

    async def _call(self, function: Function, request: web.Request, values: dict[str, str]) -> web.StreamResponse:
        data = Datum(
            {
                "method": Datum(request.method, "string"),
                "url": Datum(str(request.url), "string"),
                "headers": text_datums(join_repeated(request.headers.items())),
                "query": text_datums(join_repeated(request.query.items(), keep_empty=False)),
                "params": text_datums(values),
                "body": Datum(await read_body(request), "bytes"),
            },
            "http",
        )
        outcome = await self._worker.invoke(function, data, {})
        if isinstance(outcome, Failed):
            return web.Response(status=500)
        return self._encode(function, outcome.value)

    def _encode(self, function: Function, value: Any) -> web.StreamResponse:
        if isinstance(value, str):
            return web.Response(text=value)
        try:
            answer = HttpResponseConverter.encode(value, expected_type=None).value
        except NotImplementedError:
            log = logging.getLogger(f"Function.{function.name}")
            log.error("An HTTP function must return an HttpResponse or text, not %s.", type(value).__name__)
            return web.Response(status=500)
        response = web.Response(status=int(answer["status_code"].value), body=answer["body"].value)
        for name, content in answer["headers"].items():
            response.headers[name] = content.value
        for cookie in answer["cookies"] or ():
            for morsel in cookie.values():
                response.headers.add("Set-Cookie", morsel.OutputString())
        return response

    async def _run_by_admin(self, name: str, request: web.Request) -> web.Response:
        function = self._functions.get(name.lower())
        if function is None:
            return web.Response(status=404)
        try:
            document = json.loads(await read_body(request))
            text = str(document.get("input") or "")
        except (ValueError, AttributeError):
            document = None
        if document is None or isinstance(function.trigger, HttpTrigger):
            return web.Response(status=400)
        data, metadata = Datum(text, "string"), describe_admin_message(text)
        if isinstance(function.trigger, TimerTrigger):
            data, metadata = timer_datum(None, past_due=False), {}
        run = asyncio.create_task(self._worker.invoke(function, data, metadata))
        self.admin_runs.add(run)
        run.add_done_callback(self.admin_runs.discard)
        return web.Response(status=202)


def refuse_from_elsewhere(request: web.Request) -> str | None:
    """Why an admin route, which needs no key, does not serve this request, or None. A page that a developer looks at
    can have the browser send requests to this machine: its Origin tells. A name that it has pointed at this machine
    stands in Host."""
    try:
        named = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        named = ""
    origin = request.headers.get("Origin")
    if named not in LOOPBACK_NAMES:
        return (
            f"The admin routes are for this machine: call them by {' or '.join(LOOPBACK_NAMES)}, not by another name.\n"
        )
    if origin is not None and origin.lower() != f"http://{request.host}".lower():
        return "The admin routes are not for web pages of other origins: call them from a shell.\n"
    return None


def describe_admin_message(text: str) -> dict[str, Datum]:
    """An input from the admin route was never on a queue, so it has little metadata."""
    own = {"QueueTrigger": text, "Id": str(uuid4()), "DequeueCount": "0", "PopReceipt": ""}
    return merge_body(text_datums(own), text)


def join_repeated(items: Iterable[tuple[str, str]], keep_empty: bool = True) -> dict[str, str]:
    """One value a name, ignoring case: repeated ones are joined by a comma. HttpRequest lower-cases header names."""
    spellings: dict[str, str] = {}
    joined: dict[str, str] = {}
    for name, value in items:
        key = spellings.setdefault(name.lower(), name)
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    return {name: value for name, value in joined.items() if keep_empty or value}


def text_datums(values: dict[str, str]) -> dict[str, Datum]:
    return {name: text_datum(value) for name, value in values.items()}


async def read_body(request: web.Request) -> bytes:
    """The body, but only when Content-Length announced it: a chunked body arrives empty."""
    if not request.content_length:
        return b""
    return await request.read()
