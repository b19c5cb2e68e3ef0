"""An event: something that happened in a tenant."""

import re
from typing import Literal

from shared.model.base import Stored, digest
from shared.model.validation import Shaped

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_:-]{1,128}")
KEY_SHAPE = Shaped(IDEMPOTENCY_KEY.pattern, "must be 1 to 128 letters, digits and the signs _ : -")
OWN_KEYS = ("storage:", "sharing:", "provisioning:", "webhook:", "test-")
"""How the keys of the app's own events begin. No caller's does: receivers take a key that they have seen for a
repetition, so that whoever used the key of a threshold crossing first would keep it from them."""
CALLERS_KEY_SHAPE = Shaped(
    rf"(?!{'|'.join(OWN_KEYS)}){IDEMPOTENCY_KEY.pattern}",
    f"must not begin with {', '.join(OWN_KEYS[:-1])} or {OWN_KEYS[-1]}, as the keys of the app's own events do",
)
THE_APP = "tenant-hooks"
"""The publisher of the app's own events."""
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00; ids of zeroes alone are invalid."""


def event_id(key: str, apart: str = "") -> str:
    """The name by which a week's tables know an event: a digest of its idempotency key. Where the name was taken by the
    event of another publisher, it is of the publisher too, who is then given as `apart`."""
    return digest(f"{apart}/{key}" if apart else key)


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
