"""What the API answers, as models: what is sent and what /openapi.json says of it are one thing. camelCase, absent
members left out, never null."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from shared import model
from shared.formats.rendering import shown_settings
from shared.model import DeliveryId, Severity, Status, from_ms, utc_text
from shared.model.catalogue import EventType
from shared.storage.alerts import Malformed
from shared.storage.signature_keys import SignatureKeys

Time = Annotated[
    datetime, PlainSerializer(utc_text, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
Count = Annotated[int, Field(ge=0)]


class View(BaseModel):
    """A JSON object of an answer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def shown(self) -> dict[str, Any]:
        """As JSON values: absent members left out, because a flow's trigger schema breaks on nulls."""
        return self.model_dump(by_alias=True, exclude_none=True)


class EndpointHealth(View):
    state: Literal["healthy", "failing", "disabled"]
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
    endpoint: Annotated[str, Field(description="The URL")]
    types: list[str]
    id: Annotated[str, Field(description="26 characters, made from the URL")]
    key: Annotated[str, Field(description="The key by which its owner subscribed")] | None = None
    name: str | None = None
    format: str
    settings: Annotated[dict[str, Any], Field(description="Of the wire format, secrets apart")] | None = None
    auth: EndpointAuth | None = None
    min_severity: Severity | None = None
    tenants: list[str] | None = None
    sites: list[str] | None = None
    enabled: bool
    created_at: Time
    updated_at: Time
    health: EndpointHealth


class Subscription(Endpoint):
    """An endpoint, as automation tools call it."""

    callback_url: Annotated[str, Field(description="The URL; `endpoint` says the same")]


class Secret(View):
    secret: Annotated[str, Field(pattern="^whsec_")]


class RotatedSecret(Secret):
    previous_secret_expires_at: Annotated[Time, Field(description="Until then the old secret signs too")]


class Options(View):
    webhooks_signature_authentication_key: Annotated[str, Field(description="The text that keys the HMAC")]
    next_webhooks_signature_authentication_key: str | None = None
    activates_at: Annotated[Time, Field(description="From then on the next key signs")] | None = None


class CatalogueEntry(View):
    type: str
    title: str
    description: str
    severity: Severity
    content_schema: Annotated[dict[str, Any], Field(alias="schema", description="JSON Schema (2020-12) of the content")]
    sample: dict[str, Any]


class Catalogue(View):
    value: list[CatalogueEntry]


class TypeSchema(View):
    """JSON Schemas in the plain words that flow designers read: no references, no alternatives."""

    type: str
    notification_schema: Annotated[
        dict[str, Any], Field(alias="schema", description="Of what a receiver gets, in the wire format `point`")
    ]
    content_schema: Annotated[dict[str, Any], Field(description="Of the event's content alone")]


class Accepted(View):
    idempotency_key: str
    deliveries: Annotated[Count, Field(description="How many endpoints matched")]
    duplicate: Annotated[bool, Field(description="The event was known already: nothing is delivered twice")]


class Meta(View):
    time_stamp: Annotated[str, Field(description="As received; without a zone it is UTC")]
    idempotency_key: str


class EventDelivery(View):
    id: str
    endpoint_id: str
    status: Status


class Event(View):
    type: str
    content: Annotated[dict[str, Any], Field(description="As received")]
    meta: Meta
    severity: Severity
    tenant: model.Tenant | None = None
    erased: Annotated[Literal[True], Field(description="The content was erased")] | None = None
    deliveries: list[EventDelivery]


class Attempt(View):
    number: Annotated[int, Field(ge=1)]
    started_at: Time
    duration_ms: Count
    status: Annotated[int, Field(description="Of the receiver's answer")] | None = None
    error: Annotated[str, Field(description="Why there was no answer")] | None = None
    response: Annotated[str, Field(description="The beginning of the receiver's answer")] | None = None


class Delivery(View):
    """One event on its way to one endpoint."""

    id: str
    endpoint_id: str
    type: str
    idempotency_key: str
    status: Status
    created_at: Time
    next_attempt_at: Time | None = None
    reason: str | None = None
    attempts: list[Attempt]


class MalformedMessage(View):
    """A line of the alert log that is no delivery: nothing but a message that could not be read."""

    id: str
    status: Literal["failed"]
    created_at: Time
    reason: str
    attempts: Annotated[list[Attempt], Field(max_length=0)]
    message: Annotated[str, Field(description="The text that was on the queue")]


class DeliveryPage(View):
    value: list[Delivery | MalformedMessage]
    continuation: Annotated[str, Field(description="For the next page; absent on the last")] | None = None


class Retried(View):
    id: str
    status: Literal["pending"]


class Replayed(View):
    count: Count
    continuation: Annotated[str, Field(description="For the next call; absent when all is replayed")] | None = None


class StorageState(View):
    tables: Annotated[str, Field(description="`reachable`, or what is wrong")]
    queues: Annotated[str, Field(description="`reachable`, or what is wrong")]


class AppHealth(View):
    status: Literal["healthy", "unhealthy"]
    version: str
    storage: StorageState
    warnings: Annotated[list[str], Field(description="What an admin should look at; no reason for 503")] | None = None


def endpoint_view(endpoint: model.Endpoint) -> Endpoint:
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
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        health=EndpointHealth(
            state=health.state if endpoint.enabled else "disabled",
            first_failure_at=health.first_failure_at,
            last_success_at=health.last_success_at,
            last_error=health.last_error,
            disabled_reason=health.disabled_reason if endpoint.enabled else "disabled by an admin",
        ),
    )


def subscription_view(endpoint: model.Endpoint) -> Subscription:
    return Subscription(callback_url=endpoint.url, **dict(endpoint_view(endpoint)))


def _auth_view(auth: model.Auth | None) -> EndpointAuth | None:
    if auth is None:
        return None
    return EndpointAuth(
        type=auth.type,
        header_names=list(auth.headers) or None,
        username=auth.username if auth.type == "basic" else None,
        audience=auth.audience or None,
    )


def attempt_view(attempt: model.Attempt) -> Attempt:
    return Attempt.model_validate(attempt.model_dump(exclude={"token"}))


def delivery_view(delivery_id: DeliveryId, delivery: model.Delivery) -> Delivery:
    return Delivery(
        id=str(delivery_id),
        endpoint_id=delivery_id.endpoint,
        type=delivery.type,
        idempotency_key=delivery.key,
        status=delivery.status,
        created_at=from_ms(delivery_id.accepted_ms),
        next_attempt_at=delivery.next_attempt_at,
        reason=delivery.reason,
        attempts=[attempt_view(attempt) for attempt in delivery.attempts],
    )


def malformed_view(line: Malformed) -> MalformedMessage:
    return MalformedMessage(
        id=line.id,
        status="failed",
        created_at=from_ms(int(line.id[:12], 16)),
        reason=line.reason,
        attempts=[],
        message=line.message,
    )


def options_view(keys: SignatureKeys) -> Options:
    return Options(
        webhooks_signature_authentication_key=keys.current,
        next_webhooks_signature_authentication_key=keys.following,
        activates_at=keys.activates_at,
    )


def catalogue_entry(known: EventType) -> CatalogueEntry:
    return CatalogueEntry(
        type=known.name,
        title=known.title,
        description=known.description,
        severity=known.severity,
        content_schema=known.schema,
        sample=known.sample,
    )
