"""Errors that a caller can cause, as problem details (RFC 9457). Their `type` URIs are listed in docs/api.md."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from shared.api.http.view import Component, View, example

PREFIX = "urn:tenant-hooks:problem:"

TITLES = {
    "bad-request": "The request cannot be used",
    "unauthenticated": "A valid bearer token is needed",
    "forbidden": "The token does not carry the role this needs",
    "not-found": "There is nothing at this address",
    "method-not-allowed": "This address does not take this method",
    "conflict": "The request contradicts what is stored",
    "length-required": "Content-Length is needed",
    "precondition-failed": "It has changed since it was read",
    "too-large": "The body is too large",
    "too-many": "There is no room for all of it in one call",
    "unsupported-media-type": "The body must be JSON",
    "internal": "Tenant Hooks failed on this request",
    "misconfigured": "This deployment is not set up for this",
    "unavailable": "Something this needs is out of reach for now",
}


ProblemType = Annotated[
    str, Field(json_schema_extra={"enum": [PREFIX + kind for kind in TITLES]}), Component("ProblemType")
]


def problem_example(status: int, kind: str, detail: str, **members: Any) -> ConfigDict:
    """The `model_config` of a problem that is described with this example."""
    return example({"type": PREFIX + kind, "title": TITLES[kind], "status": status, "detail": detail, **members})


class ProblemBody(View):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(extra="allow") | problem_example(
        400, "bad-request", "types: is required", errors=["types: is required"]
    )

    type: ProblemType
    title: str
    status: Annotated[int, Field(ge=400, le=599, json_schema_extra={"format": "int32"})]
    detail: Annotated[str, Field(description="What to change", json_schema_extra={"x-ms-primary-error-message": True})]
    errors: Annotated[list[str], Field(description="Each wrong field, said as a clause")] | None = None


class Problem(Exception):
    """Ends a request. `detail` says what to change and holds no secret; `members` are extension members."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        body = ProblemBody(type=PREFIX + kind, title=TITLES[kind], status=status, detail=detail, **members)
        self.body = body.shown()


def bad_request(detail: str, **members: Any) -> Problem:
    return Problem(400, "bad-request", detail, **members)


def bad_continuation() -> Problem:
    """400: of a continuation that no page of the list gave."""
    return bad_request("?continuation= must be one that an earlier page gave")


def not_found(detail: str, **members: Any) -> Problem:
    return Problem(404, "not-found", detail, **members)


def conflict(detail: str, **members: Any) -> Problem:
    return Problem(409, "conflict", detail, **members)
