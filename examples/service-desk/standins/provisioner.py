"""Stands in for whatever makes workspaces: a flow, a runbook, Syskit Point.

What it shows is the duty of the real one: send the `correlationId` back as it came, and derive the key of its own event
from that of the event it answers, so that a repeated start ends in one result.
"""

import uuid
from collections.abc import Callable
from typing import Any

from service_desk.desk import Outcome
from service_desk.hooks import Hooks, PublishFault

TAKEN = ("Finance", "Human Resources")
"""Names for which it fails."""


def provisioning(hooks: Hooks) -> Callable[[str, dict[str, Any]], Outcome]:
    """The work of a receiver whose endpoint asks for `ProvisioningStarted`."""

    def provision(key: str, event: dict[str, Any]) -> Outcome:
        try:
            hooks.publish(result_of(key, event["content"]))
        except PublishFault as fault:
            return Outcome("again", str(fault))
        return Outcome("noted", f"told what became of {event['content']['name']}")

    return provision


def result_of(key: str, content: dict[str, Any]) -> dict[str, Any]:
    """The event that says how it went."""
    said = {"name": content["name"], "type": content["type"], "correlationId": content.get("correlationId", key)}
    if content["name"] in TAKEN:
        name, more = "ProvisioningFailed", {"error": f"A workspace named {content['name']} exists already."}
    else:
        site = content["name"].lower().replace(" ", "-")
        name = "ProvisioningCompleted"
        more = {
            "url": f"https://contoso.sharepoint.com/sites/{site}",
            "microsoftId": str(uuid.uuid5(uuid.NAMESPACE_URL, site)),
        }
    return {
        "type": name,
        "content": said | more,
        "meta": {"idempotencyKey": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{key}:{name}"))},
    }
