"""Values as the API shows them: camelCase, absent ones left out, never null."""

from typing import Any

from shared.model import Attempt, Delivery, DeliveryId, from_ms, utc_text
from shared.storage.deliveries import Malformed


def without_absent(value: dict[str, Any]) -> dict[str, Any]:
    """A flow's trigger schema breaks on nulls."""
    return {name: item for name, item in value.items() if item is not None}


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    return without_absent(
        {
            "number": attempt.number,
            "startedAt": utc_text(attempt.started_at),
            "durationMs": attempt.duration_ms,
            "status": attempt.status,
            "error": attempt.error,
            "response": attempt.response,
        }
    )


def delivery_view(delivery_id: DeliveryId, delivery: Delivery) -> dict[str, Any]:
    return without_absent(
        {
            "id": str(delivery_id),
            "endpointId": delivery_id.endpoint,
            "type": delivery.type,
            "idempotencyKey": delivery.key,
            "status": delivery.status,
            "createdAt": utc_text(from_ms(delivery_id.accepted_ms)),
            "nextAttemptAt": delivery.next_attempt_at and utc_text(delivery.next_attempt_at),
            "reason": delivery.reason,
            "attempts": [attempt_view(attempt) for attempt in delivery.attempts],
        }
    )


def malformed_view(malformed: Malformed) -> dict[str, Any]:
    """A line of the alert log that is no delivery: nothing but a message that could not be read."""
    return {
        "id": malformed.id,
        "status": "failed",
        "createdAt": utc_text(from_ms(int(malformed.id[:12], 16))),
        "reason": malformed.reason,
        "attempts": [],
        "message": malformed.message,
    }
