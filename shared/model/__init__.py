"""The words of the project and the rules about them, as values; no I/O and no clock.

The public names are here, the modules behind them.
"""

from shared.model.base import Instant, Model, Stored, TimeStamp, digest, from_ms, read_time, to_ms, utc_text
from shared.model.delivery import DELIVERY_ID, Attempt, Delivery, DeliveryId, Status
from shared.model.endpoint import ENDPOINT_ID, Auth, Endpoint, OldSecret, endpoint_id
from shared.model.event import IDEMPOTENCY_KEY, SEVERITIES, TRACEPARENT, Event, Severity, Tenant, event_id
from shared.model.health import Health

__all__ = [
    "DELIVERY_ID",
    "ENDPOINT_ID",
    "IDEMPOTENCY_KEY",
    "SEVERITIES",
    "TRACEPARENT",
    "Attempt",
    "Auth",
    "Delivery",
    "DeliveryId",
    "Endpoint",
    "Event",
    "Health",
    "Instant",
    "Model",
    "OldSecret",
    "Severity",
    "Status",
    "Stored",
    "Tenant",
    "TimeStamp",
    "digest",
    "endpoint_id",
    "event_id",
    "from_ms",
    "read_time",
    "to_ms",
    "utc_text",
]
