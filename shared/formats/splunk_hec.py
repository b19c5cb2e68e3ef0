"""Splunk's HTTP Event Collector, `/services/collector/event` (docs.splunk.com, "Format events for HTTP Event
Collector")."""

from datetime import UTC, datetime

from shared.formats.summary import event_time
from shared.formats.tickets import Text
from shared.model import Event, Model
from shared.model.json_text import joined, quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Settings(Model):
    index: Text | None = None
    """Absent: the token's own."""
    sourcetype: Text = "tenant_hooks:event"
    source: Text = "tenant-hooks"
    host: Text | None = None
    """Absent: the tenant's id."""


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    """`{"time","host","source","sourcetype","index"?,"event"}`; within `event` the content byte for byte."""
    tenant = event.tenant
    parts = {"type": quoted(event.type), "severity": quoted(event.severity)}
    if tenant is not None:
        named = {
            "id": tenant.id,
            "displayName": tenant.display_name,
            "microsoftTenantId": tenant.microsoft_tenant_id,
        }
        parts["tenant"] = joined({name: quoted(value) for name, value in named.items() if value is not None})
    parts |= {
        "timeStamp": quoted(event.time_stamp),
        "idempotencyKey": quoted(event.key),
        "content": event.content,
    }
    outer = {
        "time": f"{(event_time(event.time_stamp) - _EPOCH).total_seconds():.3f}",
        "host": quoted(settings.host or (tenant.id if tenant else "tenant-hooks")),
        "source": quoted(settings.source),
        "sourcetype": quoted(settings.sourcetype),
    }
    if settings.index is not None:
        outer["index"] = quoted(settings.index)
    return "application/json", joined(outer | {"event": joined(parts)}).encode()
