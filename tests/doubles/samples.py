"""Values to test with; each call may change what matters to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.model import Attempt, Delivery, DeliveryId, Endpoint, Event, Health, digest, endpoint_id, to_ms
from shared.storage.messages import Message

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KEY = "f9ac8355-ddd7-48a3-98fb-9d4142501510"
URL = "https://receiver.example/hook?code=hidden"


def an_event(**changes: Any) -> Event:
    values: dict[str, Any] = {
        "type": "custom.test",
        "content": '{"a":1}',
        "time_stamp": "2026-11-22T10:00:00Z",
        "key": KEY,
        "severity": "low",
    }
    return Event(**(values | changes))


def an_endpoint(url: str = URL, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "id": endpoint_id(url),
        "url": url,
        "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "generation": 1,
        "types": ("*",),
        "created_at": NOW,
        "updated_at": NOW,
        "health": Health(generation=1),
    }
    return Endpoint(**(values | changes))


def a_message(**changes: Any) -> Message:
    key = changes.get("key", KEY)
    values: dict[str, Any] = {
        "delivery": str(DeliveryId(to_ms(NOW), digest(key), endpoint_id(URL))),
        "type": "custom.test",
        "key": key,
        "format": "point",
        "generation": 1,
        "event_accepted_ms": to_ms(NOW),
        "due_at": NOW,
        "deadline_at": NOW + timedelta(minutes=27, seconds=30),
        "traceparent": TRACE,
    }
    return Message(**(values | changes))


def an_attempt(number: int = 1, status: int | None = 500, **changes: Any) -> Attempt:
    error = None if status else "connection refused"
    values: dict[str, Any] = {
        "number": number,
        "started_at": NOW + timedelta(minutes=number),
        "duration_ms": 7,
        "status": status,
        "error": error,
        "token": f"token-{number}",
    }
    return Attempt(**(values | changes))


def a_delivery(*attempts: Attempt, **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "type": "custom.test",
        "key": KEY,
        "format": "point",
        "generation": 1,
        "event_accepted_ms": to_ms(NOW),
        "traceparent": TRACE,
        "status": "pending",
        "attempts": attempts,
    }
    return Delivery(**(values | changes))
