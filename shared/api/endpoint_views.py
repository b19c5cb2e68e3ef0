"""Endpoints and their secrets as the API shows them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from shared import model
from shared.api.http.problem import ProblemBody, problem_example
from shared.api.http.view import Component, FreeObject, Severity, Time, View, example
from shared.formats import FORMATS
from shared.formats.rendering import shown_settings
from shared.model import endpoint_id

WireFormat = Annotated[str, Field(json_schema_extra={"enum": [*FORMATS]}), Component("WireFormat")]

EXAMPLE_URL = "https://contoso.azurewebsites.net/api/Logger?code=o74oKsbrgHDI"
EXAMPLE_ID = endpoint_id(EXAMPLE_URL)
"""The endpoint of which all examples tell."""
EXAMPLE_CALLBACK = (
    "https://prod-12.westeurope.logic.azure.com:443/workflows/0c5f/triggers/event/paths/invoke?sp=run&sig=b3Zl"
)
_SECRET = "whsec_gCq6ac0y3H390pLddLbbqDRjIPBDIIHSFWiiynp+lvc="  # noqa: S105 - the one that docs/api.md shows
_NOT_REGISTERED = f"This URL is not registered (its id would be {EXAMPLE_ID})"
_ENDPOINT: dict[str, Any] = {
    "endpoint": EXAMPLE_URL,
    "types": ["permission.*", "storage.*"],
    "id": EXAMPLE_ID,
    "format": "point",
    "minSeverity": "high",
    "enabled": True,
    "createdAt": "2026-11-20T09:00:00.000Z",
    "updatedAt": "2026-11-20T09:00:00.000Z",
    "health": {
        "state": "failing",
        "firstFailureAt": "2026-11-22T10:13:00.000Z",
        "lastError": "the receiver answered 500",
    },
}


EndpointState = Annotated[Literal["healthy", "failing", "disabled"], Component("EndpointState")]


class EndpointHealth(View):
    state: EndpointState
    first_failure_at: Time | None = None
    last_success_at: Time | None = None
    last_error: str | None = None
    disabled_reason: str | None = None


class EndpointAuth(View):
    """Which secrets a delivery carries; none of them is shown again."""

    type: str
    header_names: list[str] | None = None
    username: str | None = None
    audience: str | None = None


class Endpoint(View):
    model_config = example(_ENDPOINT)

    endpoint: Annotated[str, Field(description="The URL")]
    types: list[str]
    id: Annotated[str, Field(description="26 characters, made from the URL")]
    key: Annotated[str, Field(description="The key by which its owner subscribed")] | None = None
    name: str | None = None
    format: WireFormat
    settings: Annotated[FreeObject, Field(description="Of the wire format, secrets apart")] | None = None
    auth: EndpointAuth | None = None
    min_severity: Severity | None = None
    tenants: list[str] | None = None
    sites: list[str] | None = None
    enabled: bool
    retry_delays: Annotated[list[float], Field(description="Seconds between attempts")] | None = None
    max_per_second: Annotated[float, Field(description="Deliveries in a second, at most")] | None = None
    ordered: (
        Annotated[bool, Field(description="Events of one subject come one after the other; else absent")] | None
    ) = None
    created_at: Time
    updated_at: Time
    health: EndpointHealth
    warnings: (
        Annotated[list[str], Field(description="Of a registration or a change: what is probably a mistake")] | None
    ) = None


class Subscription(Endpoint):
    """An endpoint, as automation tools call it."""

    model_config = example(
        {
            **_ENDPOINT,
            "endpoint": EXAMPLE_CALLBACK,
            "id": endpoint_id(EXAMPLE_CALLBACK),
            "key": "provisioning",
            "callbackUrl": EXAMPLE_CALLBACK,
        }
    )

    callback_url: Annotated[str, Field(description="The URL; `endpoint` says the same")]


class EndpointNotFound(ProblemBody):
    """A problem that also has the members of Syskit Point's errors."""

    model_config = problem_example(
        404,
        "not-found",
        _NOT_REGISTERED,
        message=_NOT_REGISTERED,
        exceptionMessage=_NOT_REGISTERED,
        exceptionType="EndpointNotFound",
    )

    message: Annotated[str, Field(description="As Syskit Point says it, like the next two")] | None = None
    exception_message: str | None = None
    exception_type: str | None = None


class Secret(View):
    model_config = example({"secret": _SECRET})

    secret: Annotated[str, Field(pattern="^whsec_")]


class RotatedSecret(Secret):
    model_config = example({"secret": _SECRET, "previousSecretExpiresAt": "2026-11-23T10:00:00.000Z"})

    previous_secret_expires_at: Annotated[Time, Field(description="Until then the old secret signs too")]


def endpoint_view(endpoint: model.Endpoint, warnings: Sequence[str] = ()) -> Endpoint:
    """An endpoint as admins see it: with its URL, without its secret."""
    health = endpoint.health
    return Endpoint(
        endpoint=endpoint.url,
        types=list(endpoint.types),
        id=endpoint.id,
        key=endpoint.key,
        name=endpoint.name,
        format=endpoint.format,
        settings=shown_settings(endpoint),
        auth=_auth_view(endpoint.auth),
        min_severity=endpoint.min_severity,
        tenants=list(endpoint.tenants) or None,
        sites=list(endpoint.sites) or None,
        enabled=endpoint.enabled,
        retry_delays=None
        if endpoint.retry_delays is None
        else [delay.total_seconds() for delay in endpoint.retry_delays],
        max_per_second=endpoint.max_per_second,
        ordered=endpoint.ordered or None,
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        health=EndpointHealth(
            state=health.state if endpoint.enabled else "disabled",
            first_failure_at=health.first_failure_at,
            last_success_at=health.last_success_at,
            last_error=health.last_error,
            disabled_reason=health.disabled_reason if endpoint.enabled else "disabled by an admin",
        ),
        warnings=list(warnings) or None,
    )


def subscription_view(endpoint: model.Endpoint, warnings: Sequence[str] = ()) -> Subscription:
    return Subscription(callback_url=endpoint.url, **dict(endpoint_view(endpoint, warnings)))


def _auth_view(auth: model.Auth | None) -> EndpointAuth | None:
    if auth is None:
        return None
    return EndpointAuth(
        type=auth.type,
        header_names=list(auth.headers) or None,
        username=auth.username if auth.type == "basic" else None,
        audience=auth.audience or None,
    )
