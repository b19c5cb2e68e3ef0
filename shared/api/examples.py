"""An example of every JSON object of the API, for /openapi.json: of one endpoint and one failed delivery."""

from typing import Any

from pydantic import BaseModel

from shared import __version__
from shared.api import flow_schemas, views
from shared.api.endpoint_bodies import EndpointChanges, Registration
from shared.api.endpoints import ReplayRequest, TestRequest, UrlOnly
from shared.api.events import EventBody
from shared.api.http.problem import ProblemBody, bad_request
from shared.api.options import Rotation
from shared.api.subscriptions import FamilySubscriptionRequest, SubscriptionRequest
from shared.api.usage import ListedSites, ThresholdsBody
from shared.model import endpoint_id
from shared.model.catalogue import CATALOGUE

_URL = "https://contoso.azurewebsites.net/api/Logger?code=o74oKsbrgHDI"
_ENDPOINT = endpoint_id(_URL)
_DELIVERY = f"01A2044DF0A3-S25PCEZUZCQLMVXHY4QEIKOIQY-{_ENDPOINT}"
_TYPE = CATALOGUE["storage.threshold_exceeded"]
_FILTERS = {"types": ["permission.*", "storage.*"], "minSeverity": "high"}
_EVENT = {
    "type": _TYPE.name,
    "content": _TYPE.sample,
    "meta": {"timeStamp": "2026-11-22T10:00:00Z", "idempotencyKey": "hr-90-7"},
    "severity": "high",
    "tenant": {
        "id": "contoso",
        "displayName": "Contoso",
        "microsoftTenantId": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    },
}
_ATTEMPT = {"number": 1, "startedAt": "2026-11-22T10:00:00.844Z", "durationMs": 246, "status": 500, "response": "no"}
_FAILED = {
    "id": _DELIVERY,
    "endpointId": _ENDPOINT,
    "type": _TYPE.name,
    "idempotencyKey": "hr-90-7",
    "status": "failed",
    "createdAt": "2026-11-22T10:00:00.467Z",
    "reason": "the receiver answered 500",
    "attempts": [_ATTEMPT],
}
_UNREADABLE = {
    "id": "01A2045420C0-FTZE3OS7WCRQ4JXIHMVMLOPCTY",
    "status": "failed",
    "createdAt": "2026-11-22T17:35:52.000Z",
    "reason": "not a delivery message: body: Invalid JSON: expected value at line 1 column 1",
    "attempts": [],
    "message": "hello",
}
_THRESHOLD = {"threshold": 90, "severity": "high"}
_SIZE = {"threshold": "500GB", "severity": "high"}
_SECRET = "whsec_gCq6ac0y3H390pLddLbbqDRjIPBDIIHSFWiiynp+lvc="  # noqa: S105 - the one that docs/api.md shows

_CALLBACK = "https://prod-12.westeurope.logic.azure.com:443/workflows/0c5f/triggers/event/paths/invoke?sp=run&sig=b3Zl"
_SHOWN = {
    "endpoint": _URL,
    "types": _FILTERS["types"],
    "id": _ENDPOINT,
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

EXAMPLES: dict[type[BaseModel], dict[str, Any]] = {
    Registration: {"endpoint": _URL, **_FILTERS},
    EndpointChanges: {"minSeverity": None, "enabled": True},
    SubscriptionRequest: {"callbackUrl": _CALLBACK, "types": ["ProvisioningFailed"]},
    FamilySubscriptionRequest: {"callbackUrl": _CALLBACK, "minSeverity": "high"},
    UrlOnly: {"endpoint": _URL},
    TestRequest: {"type": _TYPE.name},
    ReplayRequest: {"since": "2026-11-21T00:00:00Z", "status": "failed"},
    Rotation: {"activateInHours": 24},
    EventBody: _EVENT,
    ThresholdsBody: {
        "default": [{"threshold": 75, "severity": "medium"}, _THRESHOLD],
        "sites": [{"site": "https://contoso.sharepoint.com/sites/hr*", "thresholds": [_SIZE]}],
    },
    views.Endpoint: _SHOWN,
    views.Subscription: {
        **_SHOWN,
        "endpoint": _CALLBACK,
        "id": endpoint_id(_CALLBACK),
        "key": "provisioning",
        "callbackUrl": _CALLBACK,
    },
    views.Secret: {"secret": _SECRET},
    views.RotatedSecret: {"secret": _SECRET, "previousSecretExpiresAt": "2026-11-23T10:00:00.000Z"},
    views.Options: {
        "webhooksSignatureAuthenticationKey": "7e48b3d0-efbd-4bf9-bf49-802fc3462d18",
        "nextWebhooksSignatureAuthenticationKey": "158b08cc-6a06-49f2-a724-2bc514fdcf1e",
        "activatesAt": "2026-11-23T10:00:00.000Z",
    },
    views.Catalogue: {"value": [views.catalogue_entry(_TYPE).shown()]},
    views.TypeSchema: {
        "type": _TYPE.name,
        "schema": flow_schemas.of_notification([_TYPE.name]),
        "contentSchema": flow_schemas.of_content([_TYPE.name]),
    },
    views.Accepted: {"idempotencyKey": "hr-90-7", "deliveries": 2, "duplicate": False},
    views.Event: {**_EVENT, "deliveries": [{"id": _DELIVERY, "endpointId": _ENDPOINT, "status": "failed"}]},
    views.Attempt: _ATTEMPT,
    views.Delivery: _FAILED,
    views.MalformedMessage: _UNREADABLE,
    views.DeliveryPage: {"value": [_UNREADABLE, _FAILED], "continuation": "MDFBMjA0NERGMEEz"},
    views.Retried: {"id": _DELIVERY, "status": "pending"},
    views.Replayed: {"count": 17},
    ListedSites: {
        "value": [
            {
                "siteUrl": "https://contoso.sharepoint.com/sites/hr",
                "currentUsage": 25838523252736,
                "quota": 27487790694400,
                "percent": 94.0,
                "threshold": 90,
                "changedAt": "2026-11-22T06:20:11.094Z",
            }
        ]
    },
    views.AppHealth: {
        "status": "healthy",
        "version": __version__,
        "storage": {"tables": "reachable", "queues": "reachable"},
    },
    ProblemBody: bad_request("types: is required", errors=["types: is required"]).body,
}
