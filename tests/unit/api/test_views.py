"""Values as the API shows them."""

import json

from doubles.samples import NOW, a_delivery, a_message, an_attempt, an_endpoint
from shared.api.delivery_views import attempt_view, delivery_view, malformed_view
from shared.api.endpoint_views import endpoint_view
from shared.model import DeliveryId, Health, to_ms
from shared.storage.alerts import Malformed

ID = a_message().delivery_id


def test_a_delivery_shows_its_attempts_and_no_token() -> None:
    delivery = a_delivery(an_attempt(1, 500, response="no"), next_attempt_at=NOW)
    assert delivery_view(ID, delivery).shown() == {
        "id": str(ID),
        "endpointId": ID.endpoint,
        "type": "custom.test",
        "idempotencyKey": delivery.key,
        "status": "pending",
        "createdAt": "2026-11-22T10:00:00.000Z",
        "nextAttemptAt": "2026-11-22T10:00:00.000Z",
        "attempts": [
            {"number": 1, "startedAt": "2026-11-22T10:01:00.000Z", "durationMs": 7, "status": 500, "response": "no"}
        ],
    }


def test_absent_values_are_left_out_and_never_null() -> None:
    shown = [
        attempt_view(an_attempt(1, None)).shown(),
        delivery_view(ID, a_delivery()).shown(),
        endpoint_view(an_endpoint()).shown(),
        malformed_view(Malformed(id=str(DeliveryId(to_ms(NOW), "A", "B")), reason="why", message="text")).shown(),
    ]
    assert "null" not in json.dumps(shown)


def test_an_endpoint_shows_its_url_and_health_and_never_its_secret() -> None:
    failing = an_endpoint(health=Health(generation=1, first_failure_at=NOW, last_error="the receiver answered 500"))
    shown = endpoint_view(failing).shown()
    assert shown["endpoint"] == failing.url
    assert shown["health"] == {
        "state": "failing",
        "firstFailureAt": "2026-11-22T10:00:00.000Z",
        "lastError": "the receiver answered 500",
    }
    assert failing.secret not in json.dumps(shown)
    assert "generation" not in shown


def test_an_endpoint_that_an_admin_disabled_says_so() -> None:
    assert endpoint_view(an_endpoint(enabled=False)).shown()["health"] == {
        "state": "disabled",
        "disabledReason": "disabled by an admin",
    }
