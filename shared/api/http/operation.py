"""What an operation of the API takes and returns, told once, beside its handler: the matter of /openapi.json.

    @operation("Read an endpoint", tag=Tag.ENDPOINTS, answers={200: Returns("It", Endpoint)}, parameters=(ID,))
    def get(request: Request) -> Response: ...

Method, path and roles are the route's (function_app.py), and so are the refusals that follow from them.
"""

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeVar

from shared.api.http.call import Request, Response

Json = dict[str, Any]


class Tag(enum.StrEnum):
    """The groups in which the operations are shown, in this order."""

    ENDPOINTS = "Endpoints"
    SUBSCRIPTIONS = "Subscriptions"
    KEYS = "Keys"
    EVENTS = "Events"
    DELIVERIES = "Deliveries"
    STORAGE = "Storage"
    WORKSPACES = "Workspaces"
    APP = "App"

    @property
    def description(self) -> str:
        return _TAGS[self]


_TAGS = {
    Tag.ENDPOINTS: "Receivers: their URLs, and what each of them wants to get",
    Tag.SUBSCRIPTIONS: "Endpoints as automation tools register and drop them",
    Tag.KEYS: "What signatures are made with",
    Tag.EVENTS: "Publishing, looking up and erasing events; the catalogue of their types",
    Tag.DELIVERIES: "The delivery log and the alert log; sending again",
    Tag.STORAGE: "SharePoint sites near their limit, and the thresholds that make events",
    Tag.WORKSPACES: "Asking for teams, groups, sites and communities, and the templates they are made after",
    Tag.APP: "The app itself",
}
Handler = Callable[[Request], Response]
"""Runs on one of the worker's threads, of which there are some dozens: while it waits for storage, it keeps one."""
LoopHandler = Callable[[Request], Awaitable[Response]]
"""Runs on the worker's loop, and must not block it."""
AnyHandler = Handler | LoopHandler
H = TypeVar("H", bound=AnyHandler)


@dataclass(frozen=True)
class Returns:
    """One answer. `body` is the type of the JSON body, None where there is none; `headers` names the headers that it
    has; `or_null`: the body may also be null."""

    description: str
    body: Any = None
    headers: tuple[str, ...] = ()
    or_null: bool = False


@dataclass(frozen=True)
class Operation:
    """Decorates a handler with what it takes and returns.

    `answers` are what it returns, by status. `parameters` are those of the path, the query and the head that it reads.
    `body` is the type of the request's body; `needs_body`: there must be one; `or_text`: it may also be a string, as
    JSON or as `text/plain`. `finds`: a path that names nothing is 404. `refusals` are the statuses that do not follow
    from the rest: openapi.py adds those of tokens, bodies, queries and ids.
    """

    summary: str
    _: KW_ONLY
    tag: Tag
    answers: Mapping[int, Returns]
    description: str = ""
    parameters: tuple[Json, ...] = ()
    body: Any = None
    needs_body: bool = True
    or_text: bool = False
    finds: bool = True
    refusals: tuple[int, ...] = ()

    def __call__(self, handler: H) -> H:
        _OPERATIONS[handler] = self
        return handler


operation = Operation
_OPERATIONS: dict[AnyHandler, Operation] = {}


def operation_of(handler: AnyHandler) -> Operation:
    """What is told beside a handler. Raises KeyError where nothing is."""
    return _OPERATIONS[handler]


def told_of(handler: AnyHandler) -> Operation | None:
    """What is told beside a handler, or None."""
    return _OPERATIONS.get(handler)


def path(name: str, description: str, schema: Json) -> Json:
    """A parameter in the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def query(name: str, description: str, schema: Json | None = None) -> Json:
    """A parameter in the query; a string unless the schema says otherwise."""
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def how_many(default: int, most: int) -> Json:
    """The parameter `top` of a list."""
    schema = {"type": "integer", "format": "int32", "minimum": 1, "maximum": most, "default": default}
    return query("top", "How many at most", schema)


CONTINUATION = query("continuation", "Of the previous page; keep the other parameters the same")


def header(name: str, description: str, schema: Json | None = None) -> Json:
    """A header of the request; a string unless the schema says otherwise."""
    return {"name": name, "in": "header", "description": description, "schema": schema or {"type": "string"}}
