"""Types and filters of an endpoint decide which events reach it."""

from typing import Any

import pytest

from .api import ENDPOINTS
from .conftest import App

SHARE = {
    "siteUrl": "https://contoso.sharepoint.com/sites/HR/",
    "resourcePath": "/x",
    "permissionType": "SharingLink",
    "principal": "a@b",
    "accessLevel": "Edit",
}
RESOURCE = {"name": "n", "type": "MicrosoftTeams"}
EVENTS: dict[str, dict[str, Any]] = {
    "share": {"type": "permission.external_share_created", "content": SHARE},
    "critical share": {"type": "permission.external_share_created", "content": SHARE, "severity": "critical"},
    "share of another tenant": {
        "type": "permission.external_share_created",
        "content": SHARE,
        "tenant": {"id": "fabrikam", "microsoftTenantId": "f-guid"},
    },
    "share elsewhere": {
        "type": "permission.external_share_created",
        "content": {**SHARE, "siteUrl": "https://contoso.sharepoint.com/sites/hr-archive"},
    },
    "granted": {"type": "permission.granted", "content": SHARE},
    "provisioned": {
        "type": "ProvisioningCompleted",
        "content": {**RESOURCE, "url": "https://contoso.sharepoint.com/sites/hr", "microsoftId": "m"},
    },
    "own": {"type": "custom.own.thing", "content": {}},
}
SHARES = {"share", "critical share", "share of another tenant", "share elsewhere"}
FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"types": ["*"]}, set(EVENTS)),
    ({"types": ["permission.*"]}, {*SHARES, "granted"}),
    ({"types": ["permission.external_share_created"]}, SHARES),
    ({"types": ["ProvisioningCompleted", "custom.own.*"]}, {"provisioned", "own"}),
    ({"types": ["custom.own.thing"]}, {"own"}),
    ({"types": ["webhook.*", "custom.other"]}, set()),
    ({"types": ["*"], "minSeverity": "medium"}, SHARES),
    ({"types": ["*"], "minSeverity": "critical"}, {"critical share"}),
    ({"types": ["*"], "tenants": ["fabrikam"]}, {"share of another tenant"}),
    ({"types": ["*"], "tenants": ["f-guid", "nobody"]}, {"share of another tenant"}),
    ({"types": ["*"], "tenants": ["contoso"]}, set(EVENTS) - {"share of another tenant"}),
    (
        {"types": ["*"], "sites": ["https://contoso.sharepoint.com/sites/hr"]},
        {*SHARES, "granted", "provisioned"} - {"share elsewhere"},
    ),
    ({"types": ["*"], "sites": ["https://contoso.sharepoint.com/sites/hr-*"]}, {"share elsewhere"}),
    ({"types": ["*"], "sites": ["*/sites/HR*"]}, {*SHARES, "granted", "provisioned"}),
    ({"types": ["permission.*"], "minSeverity": "critical", "tenants": ["contoso"]}, {"critical share"}),
    ({"types": ["*"], "enabled": False}, set()),
]


@pytest.fixture(scope="module")
def matched(app: App) -> list[set[str]]:
    """For each of FILTERS, the events that were for it. All are published once, with all endpoints registered."""
    hooks = [app.receiver.hook() for _ in FILTERS]
    endpoints = [app.api.register(hook.url, **given) for hook, (given, _) in zip(hooks, FILTERS, strict=True)]
    keys = {name: app.api.publish(event)["idempotencyKey"] for name, event in EVENTS.items()}
    names = {key: name for name, key in keys.items()}
    targets = {name: {each["endpointId"] for each in app.api.event(key)["deliveries"]} for name, key in keys.items()}
    found = [{name for name, ids in targets.items() if endpoint["id"] in ids} for endpoint in endpoints]
    for hook, expected in zip(hooks, found, strict=True):
        # What was promised to an endpoint arrives there, and nothing else does.
        assert {names[each.key] for each in hook.wait(len(expected))} == expected
    for endpoint in endpoints:
        app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
    assert [len(hook.received) for hook in hooks] == [len(expected) for expected in found]
    return found


@pytest.mark.parametrize("at", range(len(FILTERS)), ids=[str(given) for given, _ in FILTERS])
def test_filters(matched: list[set[str]], at: int) -> None:
    assert matched[at] == FILTERS[at][1]
