"""HTTP functions: each route is declared once, with the role it needs, and nothing reaches a handler without it."""

import inspect
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import azure.functions as func

from shared.api.http.auth import NOBODY, Role, authorise
from shared.api.http.call import Request, Response, respond
from shared.api.http.operation import AnyHandler, Handler, LoopHandler, told_of
from shared.api.http.problem import Problem, not_found
from shared.api.http.queries import check_query
from shared.app import get_app
from shared.settings import SettingsError
from shared.storage.clients import StorageUnavailable

_LOG = logging.getLogger("tenant_hooks.api")
_ROOT = "{ignored:maxlength(0)?}"
"""The route of `/`: the host takes an empty one for the function's name."""


@dataclass(frozen=True)
class Route:
    """As it was declared; `name` is its function's. Without roles it is for anybody."""

    name: str
    method: str
    path: str
    handler: AnyHandler
    roles: tuple[Role, ...]


class Routes:
    """Adds HTTP functions to a function app."""

    def __init__(self, functions: func.FunctionApp) -> None:
        self._functions = functions
        self._declared: dict[tuple[str, ...], list[str]] = {}
        self._pages: list[str] = []
        self.declared: list[Route] = []

    def route(
        self, name: str, method: str, path: str, handler: AnyHandler, *roles: Role, anybody: bool = False
    ) -> None:
        """Declares the function of this name for a method and a path, and whom it is for: the holders of any of the
        roles, or anybody. Raises ValueError where that is not said."""
        if bool(roles) is anybody:
            raise ValueError(f"{method} {path}: name the roles it is for, or say anybody=True")
        self._declared.setdefault(tuple(path.lower().split("/")), []).extend(_methods(method))
        self.declared.append(Route(name, method, path, handler, roles))
        self._add(name, _methods(method), path, handler, roles)

    def page(self, name: str, path: str, handler: Handler) -> None:
        """Declares the function of this name for what a browser is shown: anybody may GET it, and the API's description
        says nothing of it. `path` is a folder, with all that is below it; empty, it is the root alone."""
        self._pages.append(path)
        self._add(name, _methods("GET"), f"{path}/{{*path}}" if path else _ROOT, handler, ())

    def otherwise(self, name: str) -> None:
        """Declares the function that refuses all other paths and methods. The host tries functions in the order of
        their names, so its name must come last."""
        self._add(name, None, "{*path}", self.refuse, ())

    def refuse(self, request: Request) -> Response:
        """Raises Problem 405 for a path that takes other methods, else 404: also where it seems to take this one, which
        the host would have handed over otherwise. It passes over one slash at the end of what it gives as `path`."""
        methods = self.methods_of("/" + request.raw.route_params.get("path", ""))
        if not methods or request.raw.method.upper() in methods:
            raise not_found("There is nothing at this path: GET /openapi.json lists those there are")
        allowed = ", ".join(methods)
        raise Problem(405, "method-not-allowed", f"This path takes {allowed}", headers={"Allow": allowed})

    def methods_of(self, path: str) -> list[str]:
        """The methods that a path takes; none where there is no such path. One slash at its end does not count, as the
        host has it; every other one does."""
        asked = path.removeprefix("/").removesuffix("/").lower().split("/")
        if asked[0] in self._pages and (asked[0] or len(asked) == 1):
            return sorted(_methods("GET"))
        fitting = [
            declared
            for declared in self._declared
            if len(declared) == len(asked)
            and all(d == a or (d.startswith("{") and a) for d, a in zip(declared, asked, strict=True))
        ]
        return sorted(self._declared[min(fitting, key=_parameters)]) if fitting else []

    def _add(
        self, name: str, methods: list[str] | None, path: str, handler: AnyHandler, roles: tuple[Role, ...]
    ) -> None:
        def on_a_thread(req: func.HttpRequest) -> func.HttpResponse:
            return serve(req, roles, cast(Handler, handler))

        async def on_the_loop(req: func.HttpRequest) -> func.HttpResponse:
            return await serve_on_the_loop(req, roles, cast(LoopHandler, handler))

        function = on_the_loop if inspect.iscoroutinefunction(handler) else on_a_thread
        function.__name__ = function.__qualname__ = name
        declared = self._functions.route(route=path, methods=methods, trigger_arg_name="req")(function)
        self._functions.function_name(name)(declared)


def serve(raw: func.HttpRequest, roles: Collection[Role], handler: Handler) -> func.HttpResponse:
    """Authorises (without roles: nobody is asked), runs the handler, and turns what goes wrong into problem details."""
    try:
        return respond(handler(_admitted(raw, roles, handler)))
    except Exception as error:
        return _refuse(_problem(error, raw, handler))


async def serve_on_the_loop(raw: func.HttpRequest, roles: Collection[Role], handler: LoopHandler) -> func.HttpResponse:
    """The same for a handler that runs on the loop."""
    try:
        return respond(await handler(_admitted(raw, roles, handler)))
    except Exception as error:
        return _refuse(_problem(error, raw, handler))


def _admitted(raw: func.HttpRequest, roles: Collection[Role], handler: AnyHandler) -> Request:
    """The request of a caller who may make it. Raises Problem."""
    context = get_app()
    caller = authorise(raw.headers.get("authorization"), roles, context.settings) if roles else NOBODY
    told = told_of(handler)
    request = Request(context, raw, caller)
    if told is not None:
        check_query(raw, told)
        if told.body is None and raw.method in ("POST", "PUT", "PATCH"):
            request.refuse_body()
    return request


def _problem(error: Exception, raw: func.HttpRequest, handler: AnyHandler) -> Problem:
    """What a caller is told of it. All else is for the log."""
    match error:
        case Problem():
            return error
        case StorageUnavailable():
            _LOG.error("%s %s: %s", raw.method, _name(handler), error)
            detail = "Storage did not answer: try again; with an idempotencyKey a repeated publish is harmless"
            return Problem(503, "unavailable", detail, headers={"Retry-After": "5"})
        case SettingsError():
            _LOG.error("%s", error)
            return Problem(500, "misconfigured", str(error))
    _LOG.error("%s %s failed", raw.method, _name(handler), exc_info=error)
    return Problem(500, "internal", "Look for this time in the app's log; trying again may help")


def _parameters(declared: tuple[str, ...]) -> int:
    """Of a path; what is spelt out comes before what stands for anything."""
    return sum(part.startswith("{") for part in declared)


def _methods(method: str) -> list[str]:
    """What is read can be asked after, too (RFC 9110, section 9.3.2): the host sends no body to HEAD."""
    return ["GET", "HEAD"] if method == "GET" else [method]


def _name(handler: AnyHandler) -> str:
    return f"{handler.__module__}.{handler.__name__}"


def _refuse(problem: Problem) -> func.HttpResponse:
    headers = {**problem.headers, "Content-Type": "application/problem+json"}
    return respond(Response(problem.status, problem.body, headers=headers))
