"""HTTP functions: each route is declared once, with the role it needs, and nothing reaches a handler without it."""

import logging
from collections.abc import Callable

import azure.functions as func

from shared.api.auth import NOBODY, Role, authorise
from shared.api.call import Call, Reply, respond
from shared.api.problem import Problem
from shared.app import app as the_app
from shared.settings import SettingsError
from shared.storage.clients import StorageUnavailable

Handler = Callable[[Call], Reply]
Decorator = Callable[[Handler], Handler]

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LOG = logging.getLogger("tenant_hooks.api")


class Routes:
    """Adds HTTP functions to a function app."""

    def __init__(self, functions: func.FunctionApp) -> None:
        self._functions = functions
        self._declared: dict[tuple[str, ...], list[str]] = {}

    def route(self, method: str, path: str, role: Role | None) -> Decorator:
        """Declares a function for a method and a path; `role` None lets anybody in."""

        def declare(handler: Handler) -> Handler:
            self._declared.setdefault(tuple(path.lower().split("/")), []).append(method)
            self._add(handler, path, [method], lambda request: serve(request, role, handler))
            return handler

        return declare

    def otherwise(self, handler: Handler) -> Handler:
        """Declares the function that answers all other paths and methods. The host tries functions in the order of
        their names, so its name must come last."""
        self._add(handler, "{*path}", list(_METHODS), lambda request: serve(request, None, handler))
        return handler

    def methods_of(self, path: str) -> list[str]:
        """The methods that a path takes; none where there is no such path."""
        asked = path.strip("/").lower().split("/")
        return sorted(
            method
            for declared, methods in self._declared.items()
            if len(declared) == len(asked)
            and all(d == a or d.startswith("{") for d, a in zip(declared, asked, strict=True))
            for method in methods
        )

    def _add(
        self,
        handler: Handler,
        path: str,
        methods: list[str],
        run: Callable[[func.HttpRequest], func.HttpResponse],
    ) -> None:
        def function(req: func.HttpRequest) -> func.HttpResponse:
            return run(req)

        function.__name__ = function.__qualname__ = handler.__name__
        declared = self._functions.route(route=path, methods=methods, trigger_arg_name="req")(function)
        self._functions.function_name(handler.__name__)(declared)


def serve(request: func.HttpRequest, role: Role | None, handler: Handler) -> func.HttpResponse:
    """Authorises, runs the handler, and turns what goes wrong into problem details."""
    try:
        context = the_app()
        caller = NOBODY if role is None else authorise(request.headers.get("authorization"), role, context.settings)
        reply = handler(Call(context, request, caller))
    except Problem as problem:
        return _refuse(problem)
    except StorageUnavailable as error:
        _LOG.error("%s %s: %s", request.method, handler.__name__, error)
        detail = "Storage did not answer: try again; with an idempotencyKey a repeated publish is harmless"
        return _refuse(Problem(503, "unavailable", detail, headers={"Retry-After": "5"}))
    except SettingsError as error:
        _LOG.error("%s", error)
        return _refuse(Problem(500, "misconfigured", str(error)))
    except Exception:
        _LOG.exception("%s %s failed", request.method, handler.__name__)
        return _refuse(Problem(500, "internal", "Look for this time in the app's log; trying again may help"))
    return respond(reply)


def _refuse(problem: Problem) -> func.HttpResponse:
    headers = {**problem.headers, "Content-Type": "application/problem+json"}
    return respond(Reply(problem.status, problem.body, headers=headers))
