"""CloudEvents 1.0.2 in structured mode (https://github.com/cloudevents/spec, `spec.md`, `formats/json-format.md`)."""

import json
import re
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from shared.formats.shortening import one_line
from shared.formats.summary import subject
from shared.model import Event, Model
from shared.model.json_text import joined, quoted
from shared.model.validation import Shaped

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""To the letter as `http-protocol-binding.md` has it: the SDK for JavaScript takes no other case and no other space."""

_NO_SECONDS = re.compile(r"(T\d\d:\d\d)(?!:)")
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")


_SOURCE = Shaped(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", "must be a URI, such as https://contoso.com/governance")
_PREFIX = Shaped(r"[A-Za-z0-9._-]*", "must be letters, digits and . _ -")


class Settings(Model):
    handshake: bool = Field(
        default=False, description="Ask the receiver for its consent at registration (OPTIONS, `http-webhook.md`)"
    )
    source: Annotated[str, Field(max_length=400), _SOURCE] | None = Field(
        default=None, description="The URI reference in `source`; absent, /tenants/ and the tenant's id"
    )
    type_prefix: Annotated[str, Field(max_length=100), _PREFIX] = Field(
        default="", description="In front of the type, such as com.contoso."
    )


def body(event: Event, settings: Settings) -> tuple[str, bytes]:
    """Content byte for byte in `data`; severity and tenant as extension attributes."""
    tenant = event.tenant
    attributes = {
        "specversion": "1.0",
        "id": event.key,
        "source": settings.source or f"/tenants/{quote(tenant.id, safe='') if tenant else 'unknown'}",
        "type": settings.type_prefix + one_line(event.type),
        "subject": subject(json.loads(event.content)),
        "time": rfc3339(event.time_stamp),
        "severity": event.severity,
        "tenantid": one_line(tenant.id) if tenant else None,
        "tenantname": one_line(tenant.display_name or "") if tenant else None,
        "microsofttenantid": one_line(tenant.microsoft_tenant_id or "") if tenant else None,
        "datacontenttype": "application/json",
    }
    members = {name: quoted(value) for name, value in attributes.items() if value}
    return CONTENT_TYPE, joined(members | {"data": event.content}).encode()


def consent(settings: Settings, host_name: str) -> str | None:
    """The origin for which a receiver is asked; None where its owner wants no handshake."""
    return host_name if settings.handshake else None


def rfc3339(time_stamp: str) -> str:
    """A time as RFC 3339 wants it: with seconds, which ISO 8601 may leave out, and a zone, which is UTC if none is
    named. All else stays as received."""
    text = _NO_SECONDS.sub(r"\1:00", time_stamp)
    return text if _ZONE.search(text) else f"{text}Z"
