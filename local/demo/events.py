"""The events that the demo publishes: Syskit Point's documented samples, and a storage alert as SPScan sends it."""

from typing import Any

Event = dict[str, Any]


def _provisioning(name: str, key: str, **content: str) -> Event:
    return {
        "type": name,
        "content": {"name": "Resource Name", "type": "MicrosoftTeams", **content},
        "meta": {"timeStamp": "2023-10-05T14:48:00", "idempotencyKey": key},
    }


STARTED = _provisioning(
    "ProvisioningStarted",
    "f9ac8355-ddd7-48a3-98fb-9d4142501510",
    requestedOn="2023-10-05T14:48:00",
    requesterId="235ec2cb-0767-40b3-a1de-4da2c42b19e9",
)
COMPLETED = _provisioning(
    "ProvisioningCompleted",
    "854d127b-95c2-4b5f-bb45-7813946dee72",
    url="https://contoso.sharepoint.com/sites/resourcename",
    microsoftId="3b735b14-de6f-4cf8-adc6-da7eaccbdc31",
)
FAILED = _provisioning(
    "ProvisioningFailed",
    "45285061-1288-4899-b108-ad06cfbbcf6f",
    error="Error Message",
    correlationId="f65cefa6-01b7-47d6-a2cb-9442d13dd535",
)
STORAGE_EXCEEDED: Event = {
    "type": "storage.threshold_exceeded",
    "content": {
        "siteUrl": "https://contoso.sharepoint.com/sites/hr",
        "currentUsage": 25838523252736,
        "quota": 27487790694400,
        "threshold": 90,
    },
    "meta": {"timeStamp": "2026-11-22T10:00:00Z", "idempotencyKey": "storage-hr-90-1"},
    "severity": "high",
}


def key_of(event: Event) -> str:
    """The event's idempotency key."""
    return str(event["meta"]["idempotencyKey"])
