"""The catalogue: every event type with its title, content schema, sample and default severity.

`ProvisioningStarted`, `ProvisioningCompleted` and `ProvisioningFailed` are in Syskit Point's webhook documentation,
`permission.external_share_created` and `storage.threshold_exceeded` in SPScan's. The rest is this project's own.
"""

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from pydantic.alias_generators import to_camel, to_snake

from shared.model.content import (
    Content,
    DeliveryFailed,
    EndpointTrouble,
    Permission,
    ProvisioningCompleted,
    ProvisioningFailed,
    ProvisioningStarted,
    StorageThreshold,
)
from shared.model.event import Severity
from shared.model.nearest import did_you_mean
from shared.model.validation import clauses

CUSTOM_PREFIX = "custom."
OPERATIONAL_PREFIX = "webhook."
_OWN_NAME = re.compile(r"custom\.[^\s*]([^*]*[^\s*])?")
_OWN_RULE = "after 'custom.' there must be a name without '*', and without space at its ends"


class EventType(NamedTuple):
    name: str
    title: str
    description: str
    severity: Severity
    content: type[Content]
    sample: dict[str, Any]

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the content."""
        schema = self.content.model_json_schema(by_alias=True)
        for field in schema["properties"].values():
            field.pop("title", None)  # made of the name, and says no more than it
            field.pop("default", None)  # an absent field is absent, not null
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": self.name}

    @property
    def fields(self) -> dict[str, str]:
        """The catalogue's fields: camelCase name to snake_case name."""
        return {to_camel(name): to_snake(name) for name in self.content.model_fields}


_SITE = "https://contoso.sharepoint.com/sites/hr"
_RESOURCE: dict[str, Any] = {"name": "Resource Name", "type": "MicrosoftTeams"}
_PERMISSION: dict[str, Any] = {
    "siteUrl": _SITE,
    "resourcePath": "/sites/hr/Shared Documents/Salaries.xlsx",
    "permissionType": "SharingLink",
    "principal": "partner@fabrikam.com",
    "accessLevel": "Edit",
}
_USAGE: dict[str, Any] = {"siteUrl": _SITE, "quota": 27487790694400, "threshold": 90}
_ENDPOINT_ID = "5KPCBSVOBQWKWQ5OJ47T6HLCMI"
_DELIVERY_ID = f"019AAB0F3C00-PJHD6ILSVAKBO2OZGPV2BCTFQA-{_ENDPOINT_ID}"

_TYPES = (
    EventType(
        "ProvisioningStarted",
        "Provisioning started",
        "A workspace is being provisioned.",
        "low",
        ProvisioningStarted,
        {**_RESOURCE, "requestedOn": "2023-10-05T14:48:00", "requesterId": "235ec2cb-0767-40b3-a1de-4da2c42b19e9"},
    ),
    EventType(
        "ProvisioningCompleted",
        "Provisioning completed",
        "A workspace has been provisioned.",
        "low",
        ProvisioningCompleted,
        {
            **_RESOURCE,
            "url": "https://contoso.sharepoint.com/sites/resourcename",
            "microsoftId": "3b735b14-de6f-4cf8-adc6-da7eaccbdc31",
        },
    ),
    EventType(
        "ProvisioningFailed",
        "Provisioning failed",
        "A workspace could not be provisioned.",
        "high",
        ProvisioningFailed,
        {**_RESOURCE, "error": "Error Message", "correlationId": "f65cefa6-01b7-47d6-a2cb-9442d13dd535"},
    ),
    EventType(
        "permission.external_share_created",
        "Shared outside the organisation",
        "Something was shared with a person outside the organisation.",
        "medium",
        Permission,
        _PERMISSION,
    ),
    EventType(
        "permission.anonymous_link_created",
        "Anonymous link created",
        "A link that works without signing in was created.",
        "high",
        Permission,
        {**_PERMISSION, "permissionType": "AnonymousLink", "principal": "Anyone", "accessLevel": "View"},
    ),
    EventType(
        "permission.granted",
        "Permission granted",
        "A principal was given access.",
        "low",
        Permission,
        {**_PERMISSION, "permissionType": "Direct", "principal": "adele@contoso.com"},
    ),
    EventType(
        "permission.revoked",
        "Permission revoked",
        "A principal lost access.",
        "low",
        Permission,
        {**_PERMISSION, "permissionType": "Direct", "principal": "adele@contoso.com"},
    ),
    EventType(
        "storage.threshold_exceeded",
        "Storage threshold exceeded",
        "A site's storage passed a configured threshold.",
        "high",
        StorageThreshold,
        {**_USAGE, "currentUsage": 25838523252736},
    ),
    EventType(
        "storage.threshold_recovered",
        "Storage threshold recovered",
        "A site's storage went back below a threshold that it had passed.",
        "low",
        StorageThreshold,
        {**_USAGE, "currentUsage": 22265110462464},
    ),
    EventType(
        "webhook.delivery_failed",
        "Delivery failed",
        "Deliveries of an endpoint failed for good; they are in the alert log. Told once in 5 minutes for an endpoint.",
        "medium",
        DeliveryFailed,
        {
            "deliveryId": _DELIVERY_ID,
            "endpointId": _ENDPOINT_ID,
            "eventType": "ProvisioningFailed",
            "idempotencyKey": "45285061-1288-4899-b108-ad06cfbbcf6f",
            "attempts": 4,
            "reason": "the receiver answered 500",
            "count": 1,
        },
    ),
    EventType(
        "webhook.endpoint_failing",
        "Endpoint failing",
        "An endpoint has failed for so long that it will be disabled unless it recovers.",
        "medium",
        EndpointTrouble,
        {"endpointId": _ENDPOINT_ID, "reason": "no success for 60 hours"},
    ),
    EventType(
        "webhook.endpoint_disabled",
        "Endpoint disabled",
        "An endpoint receives nothing until an admin enables it again.",
        "high",
        EndpointTrouble,
        {"endpointId": _ENDPOINT_ID, "reason": "the receiver answered 410 Gone"},
    ),
)

CATALOGUE: dict[str, EventType] = {event_type.name: event_type for event_type in _TYPES}
"""Event types by name, in the order in which they are listed."""


FAMILIES: dict[str, tuple[str, ...]] = {
    "provisioning": tuple(name for name in CATALOGUE if name.startswith("Provisioning")),
    "sharing": ("permission.*",),
    "storage": ("storage.*",),
}
"""Types that are subscribed to together, by the family's name."""


def default_severity(name: str) -> Severity:
    return CATALOGUE[name].severity if name in CATALOGUE else "low"


def content_errors(name: str, content: dict[str, Any]) -> list[str]:
    """What is wrong with an event's content, one clause a field; empty where it fits its type."""
    if name not in CATALOGUE:
        return []
    kind = CATALOGUE[name].content
    try:
        kind.model_validate(content)
    except ValidationError as error:
        return clauses(error, kind, content, "content")
    camel = {snake: camel for camel, snake in CATALOGUE[name].fields.items() if snake != camel}
    return [f"content.{field}: write it {camel[field]}" for field in content if field in camel]


def type_problem(name: str) -> str | None:
    """Why an endpoint cannot ask for this type, or None: a name, a prefix `storage.*`, or `*`."""
    if name == "*" or name in CATALOGUE:
        return None
    prefix = name[:-1] if name.endswith(".*") else None
    if prefix == CUSTOM_PREFIX or _OWN_NAME.fullmatch(prefix[:-1] if prefix else name):
        return None
    if prefix and any(known.startswith(prefix) for known in CATALOGUE):
        return None
    if name.startswith(CUSTOM_PREFIX):
        return f"{name!r} matches no event: {_OWN_RULE}, and '.*' may follow it"
    otherwise = (
        "take one of GET /v1.0/webhooks/types, a prefix such as 'storage.*', '*' for all, or a type of your own that "
        "starts with 'custom.'"
    )
    return f"{name!r} is no event type{did_you_mean(name, [*_PREFIXES, *CATALOGUE], otherwise)}"


def _schema(names: Iterable[str], own: str, description: str) -> dict[str, Any]:
    """One pattern: generators of clients make a type of its own of each alternative of an `anyOf`."""
    pattern = "|".join([*map(re.escape, names), own])
    return {"type": "string", "pattern": f"^({pattern})$", "description": description}


_PREFIXES = dict.fromkeys(f"{name.partition('.')[0]}.*" for name in CATALOGUE if "." in name)
ASKED_TYPE_SCHEMA = _schema(
    ["*", *_PREFIXES, *CATALOGUE, "custom.*"],
    rf"{_OWN_NAME.pattern}(\.\*)?",
    "A type of the catalogue, a prefix such as `storage.*`, `*` for all, or a type of your own, `custom.…`",
)
"""JSON Schema of what `type_problem` lets pass."""
PUBLISHED_TYPE_SCHEMA = _schema(
    [name for name in CATALOGUE if not name.startswith(OPERATIONAL_PREFIX)],
    _OWN_NAME.pattern,
    "A type of the catalogue, or one of your own, `custom.…`",
)
"""JSON Schema of what `publish_problem` lets a caller pass."""

Origin = Literal["caller", "app"]


def publish_problem(name: str, origin: Origin) -> str | None:
    """Why this type cannot be published, or None. Only the app itself publishes `webhook.*`."""
    if name.startswith(OPERATIONAL_PREFIX) and origin == "caller":
        return f"{name!r} is published by Tenant Hooks itself: choose another type"
    if name in CATALOGUE or _OWN_NAME.fullmatch(name):
        return None
    if name.startswith(CUSTOM_PREFIX):
        return f"{name!r} cannot be a type: {_OWN_RULE}"
    known = (each for each in CATALOGUE if not each.startswith(OPERATIONAL_PREFIX))
    otherwise = "a type of your own must start with 'custom.'"
    return f"{name!r} is not in the catalogue (GET /v1.0/webhooks/types){did_you_mean(name, known, otherwise)}"
