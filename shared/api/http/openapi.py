"""`/openapi.json`: OpenAPI 3.1 of exactly this API, made of the routes, what their handlers tell, and the models."""

import functools
import json
from typing import NamedTuple

from pydantic.alias_generators import to_camel

from shared import __version__
from shared.api.http.auth import Role
from shared.api.http.call import Request, Response
from shared.api.http.operation import Handler, Json, Operation, Returns, Tag, operation, operation_of
from shared.api.http.problem import Problem, ProblemBody
from shared.api.http.routing import Route, Routes
from shared.api.http.schemas import Schemas, or_null
from shared.api.http.view import FreeObject

_ABOUT = """\
Webhooks for Microsoft 365 governance events. docs/api.md tells the whole story.

A body needs `Content-Length` and `Content-Type: application/json`, or any `application/*+json`. Members without a value
are left out of answers. Errors are problem details (RFC 9457). Another method of these paths is answered with 405 and
`Allow`, any other path with 404, a query parameter that is unknown or empty with 400.
HEAD is answered wherever GET is."""

_HEADERS: dict[str, Json] = {
    "Location": {
        "description": "Path of the endpoint; whole URL of a subscription",
        "required": True,
        "schema": {"type": "string"},
    },
    "Preference-Applied": {"schema": {"type": "string", "const": "return=representation"}},
    "Warning": {"description": "What is probably a mistake, after the code 299", "schema": {"type": "string"}},
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "pattern": "^Bearer"}},
    "ETag": {"description": "Names this state of it", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}


_LICENSE = {"name": "MIT", "identifier": "MIT"}
_OTHERWISE = {
    "description": "Refused or failed: `detail` says what to change",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
"""The answer of any operation with a status that it does not list."""
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
    409: _Refusal("Conflict", "conflict", "It was delivered already"),
    411: _Refusal("LengthRequired", "length-required", "Azure Functions drops chunked bodies: send Content-Length"),
    412: _Refusal("PreconditionFailed", "precondition-failed", "Somebody else has changed it since: read it again"),
    413: _Refusal("TooLarge", "too-large", "The body is 70000 bytes; at most 65536 are taken here"),
    415: _Refusal(
        "UnsupportedMediaType", "unsupported-media-type", "Send the body with Content-Type: application/json"
    ),
    500: _Refusal("Internal", "internal", "Look for this time in the app's log; trying again may help"),
    503: _Refusal("Unavailable", "unavailable", "Storage did not answer: try again", "Retry-After"),
}


def describing(routes: Routes) -> Handler:
    """The handler that returns the description of these routes, of those that are declared after it, too."""

    @operation("Read this description", tag=Tag.APP, answers={200: Returns("OpenAPI 3.1", FreeObject)})
    def get(request: Request) -> Response:
        return Response(200, text=_text(routes))

    return get


@functools.cache
def _text(routes: Routes) -> str:
    """Made at the first request: a start does not wait for it."""
    return json.dumps(document(routes.declared), ensure_ascii=False, separators=(",", ":"))


def document(routes: list[Route]) -> Json:
    """The description of these routes. Raises KeyError on one whose handler tells no operation."""
    told = [operation_of(route.handler) for route in routes]
    schemas = Schemas(
        [each.body for each in told if each.body],
        [answer.body for each in told for answer in each.answers.values() if answer.body],
    )
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault("/" + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tenant Hooks", "version": __version__, "description": _ABOUT, "license": _LICENSE},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": tag.description} for tag in Tag],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {
                **{refusal.name: _refusal(refusal, status) for status, refusal in _REFUSALS.items()},
                "Problem": _OTHERWISE,
            },
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
    told = operation_of(route.handler)
    needed = " or ".join(sorted({Role.ADMIN, *route.roles}))
    says = [told.description, f"Needs the app role {needed}." if route.roles else "Needs no token."]
    statuses = _refused_with(told, route) - told.answers.keys()
    refusals = {status: {"$ref": f"#/components/responses/{_REFUSALS[status].name}"} for status in statuses}
    answers = {status: _answer(answer, schemas) for status, answer in told.answers.items()}
    made: Json = {
        "operationId": to_camel(route.name),
        "tags": [told.tag],
        "summary": told.summary,
        "description": " ".join(filter(None, says)),
        "x-roles": sorted({Role.ADMIN, *route.roles}) if route.roles else [],
        "security": [{"entra": []}] if route.roles else [],
        "responses": {
            **{str(status): answer for status, answer in sorted((refusals | answers).items())},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if told.parameters:
        made["parameters"] = [*told.parameters]
    if told.body:
        schema = schemas.of(told.body)
        content = {"application/json": {"schema": {"oneOf": [schema, _URL_TEXT]} if told.or_text else schema}}
        if told.or_text:
            content["text/plain"] = {"schema": _URL_TEXT}
        made["requestBody"] = {"required": told.needs_body, "content": content}
    return made


def _refused_with(told: Operation, route: Route) -> set[int]:
    found = {400, 500, *told.refusals}
    if route.roles:
        found |= {401, 403, 503}
    if "{" in route.path and told.finds:
        found |= {404}
    if told.body:
        found |= {413, 415}
        if told.needs_body:
            found |= {411}
    return found


def _answer(answer: Returns, schemas: Schemas) -> Json:
    made: Json = {"description": answer.description}
    if answer.body:
        schema = schemas.of(answer.body)
        is_problem = isinstance(answer.body, type) and issubclass(answer.body, ProblemBody)
        made["content"] = {
            "application/problem+json" if is_problem else "application/json": {
                "schema": or_null(schema) if answer.or_null else schema
            }
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
