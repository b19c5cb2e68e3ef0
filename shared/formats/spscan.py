"""SPScan's payload (its webhook documentation, "Payload Structure")."""

from shared.model import Event, Tenant
from shared.model.catalogue import CATALOGUE
from shared.model.json_text import joined, members, quoted


def body(event: Event) -> tuple[str, bytes]:
    """`{"event","timestamp","tenant","data","severity","event_id"}`; the catalogue's fields in snake_case, others as
    they are; what is not known is left out."""
    names = CATALOGUE[event.type].fields if event.type in CATALOGUE else {}
    data = joined({names.get(name, name): value for name, value in members(event.content).items()})
    parts = {"event": quoted(event.type), "timestamp": quoted(event.time_stamp)}
    if event.tenant is not None:
        parts["tenant"] = _tenant(event.tenant)
    parts |= {"data": data, "severity": quoted(event.severity), "event_id": quoted(event.key)}
    return "application/json", joined(parts).encode()


def _tenant(tenant: Tenant) -> str:
    named = {
        "id": tenant.id,
        "display_name": tenant.display_name,
        "microsoft_tenant_id": tenant.microsoft_tenant_id,
    }
    return joined({name: quoted(value) for name, value in named.items() if value is not None})
