"""`/openapi.json`: OpenAPI 3.1 of exactly this API, made of the routes, the operations and the models."""

import functools
import itertools
import json
from typing import Any, NamedTuple

from shared import __version__
from shared.api.http.auth import Role
from shared.api.http.call import Request, Response
from shared.api.http.problem import Problem
from shared.api.http.routing import Route, Routes
from shared.api.http.schemas import Schemas
from shared.api.operations import OPERATIONS, Answer, Operation
from shared.api.subscriptions import KEY
from shared.model import IDEMPOTENCY_KEY
from shared.model.catalogue import ASKED_TYPE_SCHEMA, FAMILIES

Json = dict[str, Any]

_ABOUT = """\
Webhooks for Microsoft 365 governance events. docs/api.md tells the whole story.

A body needs `Content-Length` and `Content-Type: application/json`, or any `application/*+json`. Members without a value
are left out of answers. Errors are problem details (RFC 9457). Another method of these paths is answered with 405 and
`Allow`, any other path with 404."""

_PATH_PARAMETERS: dict[str, Json] = {
    "endpoints": {
        "description": "The endpoint's id, in any case",
        "schema": {"type": "string", "pattern": "^[A-Za-z2-7]{26}$"},
    },
    "deliveries": {"description": "The delivery's id, in any case", "schema": {"type": "string", "minLength": 1}},
    "subscriptions": {
        "description": "The key that the caller chose, or the subscription's id",
        "schema": {"type": "string", "pattern": f"^{KEY.pattern}$"},
    },
    "families": {"description": "The family", "schema": {"type": "string", "enum": [*FAMILIES]}},
    "types": {"description": "A type, a prefix such as `storage.*`, or `*`", "schema": ASKED_TYPE_SCHEMA},
    "events": {
        "description": "The event's idempotency key",
        "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
    },
}
"""Path parameters, by the path segment before them."""

_HEADERS: dict[str, Json] = {
    "Location": {
        "description": "Path of the endpoint; whole URL of a subscription",
        "required": True,
        "schema": {"type": "string"},
    },
    "Preference-Applied": {"schema": {"type": "string", "const": "return=representation"}},
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "pattern": "^Bearer"}},
    "Allow": {"description": "The methods of this path", "required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}


_URL_TEXT: Json = {"type": "string", "description": "The bare callback URL"}


class _Refusal(NamedTuple):
    """`name` is the shared response's; `kind` and an example of its `detail` are the problem's."""

    name: str
    kind: str
    detail: str
    header: str | None = None


_REFUSALS = {
    400: _Refusal("BadRequest", "bad-request", "types: is required"),
    401: _Refusal("Unauthenticated", "unauthenticated", "The token is of another tenant", "WWW-Authenticate"),
    403: _Refusal("Forbidden", "forbidden", f"This needs the app role {Role.READ}: have an admin assign it"),
    404: _Refusal("NotFound", "not-found", "No delivery with this id is stored"),
    405: _Refusal("MethodNotAllowed", "method-not-allowed", "This path takes GET, POST", "Allow"),
    409: _Refusal("Conflict", "conflict", "It was delivered already"),
    411: _Refusal("LengthRequired", "length-required", "Azure Functions drops chunked bodies: send Content-Length"),
    413: _Refusal("TooLarge", "too-large", "The body is 70000 bytes; at most 65536 are taken here"),
    415: _Refusal(
        "UnsupportedMediaType", "unsupported-media-type", "Send the body with Content-Type: application/json"
    ),
    500: _Refusal("Internal", "internal", "Look for this time in the app's log; trying again may help"),
    503: _Refusal("Unavailable", "unavailable", "Storage did not answer: try again", "Retry-After"),
}


def get(request: Request, routes: Routes) -> Response:
    return Response(200, text=_text(routes))


@functools.cache
def _text(routes: Routes) -> str:
    """Made at the first request: a start does not wait for it."""
    return json.dumps(document(routes.declared), ensure_ascii=False, separators=(",", ":"))


def document(routes: list[Route]) -> Json:
    """The description of these routes. Raises KeyError on one without an operation."""
    schemas = Schemas(
        [operation.body for operation in OPERATIONS.values() if operation.body],
        [answer.body for operation in OPERATIONS.values() for answer in operation.answers.values() if answer.body],
    )
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault("/" + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tenant Hooks", "version": __version__, "description": _ABOUT, "license": {"name": "MIT"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {refusal.name: _refusal(refusal, status) for status, refusal in _REFUSALS.items()},
            "securitySchemes": {
                "entra": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A Microsoft Entra access token for this app, with an app role in its `roles` claim",
                }
            },
        },
    }


def _operation(route: Route, schemas: Schemas) -> Json:
    operation = OPERATIONS[route.name]
    needed = " or ".join(sorted({Role.ADMIN, *route.roles}))
    says = [operation.description, f"Needs the app role {needed}." if route.roles else "Needs no token."]
    path_parameters = _path_parameters(route.path)
    statuses = _refused_with(operation, route, bool(path_parameters)) - operation.answers.keys()
    refusals = {status: {"$ref": f"#/components/responses/{_REFUSALS[status].name}"} for status in statuses}
    answers = {status: _answer(answer, schemas) for status, answer in operation.answers.items()}
    made: Json = {
        "operationId": route.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": " ".join(filter(None, says)),
        "x-roles": sorted({Role.ADMIN, *route.roles}) if route.roles else [],
        "security": [{"entra": []}] if route.roles else [],
        "responses": {str(status): answer for status, answer in sorted((refusals | answers).items())},
    }
    if path_parameters or operation.parameters:
        made["parameters"] = [*path_parameters, *operation.parameters]
    if operation.body:
        schema = schemas.of(operation.body)
        content = {"application/json": {"schema": {"anyOf": [schema, _URL_TEXT]} if operation.or_text else schema}}
        if operation.or_text:
            content["text/plain"] = {"schema": _URL_TEXT}
        made["requestBody"] = {"required": operation.needs_body, "content": content}
    return made


def _path_parameters(path: str) -> list[Json]:
    segments = path.split("/")
    return [
        {"name": segment.strip("{}"), "in": "path", "required": True, **_PATH_PARAMETERS[before]}
        for before, segment in itertools.pairwise(segments)
        if segment.startswith("{")
    ]


def _refused_with(operation: Operation, route: Route, has_id: bool) -> set[int]:
    found = {500, *operation.refusals}
    if route.roles:
        found |= {401, 403, 503}
    if has_id and operation.finds:
        found |= {404}
    if operation.body:
        found |= {400, 413, 415}
        if operation.needs_body:
            found |= {411}
    if any(parameter["in"] == "query" for parameter in operation.parameters):
        found |= {400}
    return found


def _answer(answer: Answer, schemas: Schemas) -> Json:
    made: Json = {"description": answer.description}
    if answer.body:
        schema = schemas.of(answer.body)
        made["content"] = {
            "application/json": {"schema": {"anyOf": [{"type": "null"}, schema]} if answer.or_null else schema}
        }
    if answer.headers:
        made["headers"] = {name: _HEADERS[name] for name in answer.headers}
    return made


def _refusal(refusal: _Refusal, status: int) -> Json:
    example = Problem(status, refusal.kind, refusal.detail).body
    schema = {"$ref": "#/components/schemas/Problem"}
    made: Json = {
        "description": example["title"],
        "content": {"application/problem+json": {"schema": schema, "example": example}},
    }
    if refusal.header:
        made["headers"] = {refusal.header: _HEADERS[refusal.header]}
    return made
