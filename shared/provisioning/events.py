"""The three events of a request, with what the caller gave to know them by: its id, `comment` and `metadata`.

Their keys are made of the request, and their times are in its row: publishing one again adds nothing.
"""

import json
from datetime import datetime
from typing import Any

from shared.app import App
from shared.delivery.publisher import own_event, publish_own
from shared.model import utc_text
from shared.model.provisioning import WORDS
from shared.storage.workspaces import WorkspaceRequest

_MORE = ("mail", "teamUrl", "communityId")


def publish_started(app: App, row: WorkspaceRequest) -> None:
    content = {"requestedOn": utc_text(row.accepted_at), "requesterId": row.caller}
    _publish(app, row, "ProvisioningStarted", content, row.accepted_at)


def publish_completed(app: App, row: WorkspaceRequest) -> None:
    content: dict[str, Any] = {"url": row.url, "microsoftId": row.microsoft_id}
    content |= {name: row.extra[name] for name in _MORE if name in row.extra}
    if row.warnings:
        content["warnings"] = list(row.warnings)
    _publish(app, row, "ProvisioningCompleted", content, row.decided_at)


def publish_failed(app: App, row: WorkspaceRequest) -> None:
    """`correlationId` is the request's id, which is sent to Microsoft Graph with every call, too."""
    content = {"error": row.error or "no reason is known", "correlationId": row.id}
    if row.microsoft_id:
        content["microsoftId"] = row.microsoft_id
    _publish(app, row, "ProvisioningFailed", content, row.decided_at)


def _publish(app: App, row: WorkspaceRequest, name: str, more: dict[str, Any], at: datetime | None) -> None:
    about: dict[str, Any] = {"name": row.name, "type": WORDS[row.kind].type, **more, "requestId": row.id}
    if row.comment is not None:
        about["comment"] = row.comment
    if row.metadata is not None:
        about["metadata"] = json.loads(row.metadata)
    key = f"provisioning:{row.id}:{name.removeprefix('Provisioning').lower()}"
    publish_own(app, own_event(app, name, about, key, at=at))
