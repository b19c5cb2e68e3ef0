"""An event: something that happened in a tenant."""

import re
from typing import Literal

from shared.model.base import Stored
from shared.model.validation import Shaped

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_:-]{1,128}")
KEY_SHAPE = Shaped(IDEMPOTENCY_KEY.pattern, "must be 1 to 128 letters, digits and the signs _ : -")
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00; ids of zeroes alone are invalid."""


class Tenant(Stored):
    """The Microsoft 365 tenant that an event is about; `id` is the publisher's own name for it."""

    id: str
    display_name: str | None = None
    microsoft_tenant_id: str | None = None


class Event(Stored):
    """Something that happened in a tenant. `content` is compact JSON text and `time_stamp` text, both as received."""

    type: str
    content: str
    time_stamp: str
    key: str
    severity: Severity
    tenant: Tenant | None = None
