"""Stands in for PagerDuty's Events API v2, as its documentation has it: what it takes, what it answers, and what
becomes of alerts. Written without the app's own code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator

LARGEST_BYTES = 512 * 1024
URLS = ("https://events.pagerduty.com/v2/enqueue", "https://events.eu.pagerduty.com/v2/enqueue")
_TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "required": ["routing_key", "event_action"],
    "properties": {
        "routing_key": {"type": "string", "pattern": "^[0-9A-Za-z]{32}$"},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string", "minLength": 1},
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": _TEXT,
                "component": _TEXT,
                "group": _TEXT,
                "class": _TEXT,
                "custom_details": {"type": "object"},
            },
            "additionalProperties": False,
        },
        "client": _TEXT,
        "client_url": _TEXT,
        "links": {
            "type": "array",
            "items": {"type": "object", "required": ["href"], "properties": {"href": _TEXT, "text": _TEXT}},
        },
        "images": {"type": "array", "items": {"type": "object", "required": ["src"]}},
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "else": {"required": ["dedup_key"]},
    "additionalProperties": False,
}
_VALIDATOR = Draft202012Validator(SCHEMA)


@dataclass
class Alert:
    dedup_key: str
    events: list[dict[str, Any]] = field(default_factory=list)
    is_open: bool = True


@dataclass
class PagerDuty:
    """One integration, with this key. `busy` answers 429 to so many requests first."""

    routing_key: str
    alerts: list[Alert] = field(default_factory=list)
    busy: int = 0

    def open_alerts(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.is_open]

    def answer(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        if url not in URLS:
            return 404, {"status": "not found"}
        if self.busy:
            self.busy -= 1
            return 429, {"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly"}
        wrong = faults(headers, body)
        if wrong:
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": wrong}
        event = json.loads(body)
        if event["routing_key"] != self.routing_key:
            return 400, {"status": "invalid event", "message": "Invalid routing key", "errors": ["Invalid routing key"]}
        self._take(event)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}

    def _take(self, event: dict[str, Any]) -> None:
        """A trigger opens an alert or is added to the open one; anything else for an alert that is not open is
        dropped."""
        of_key = [alert for alert in self.open_alerts() if alert.dedup_key == event["dedup_key"]]
        if event["event_action"] == "trigger" and not of_key:
            of_key = [Alert(event["dedup_key"])]
            self.alerts += of_key
        for alert in of_key:
            alert.events.append(event)
            alert.is_open = event["event_action"] != "resolve"


def faults(headers: Mapping[str, str], body: bytes) -> list[str]:
    """What stands against a request; nothing where it is taken."""
    if headers["Content-Type"] != "application/json":
        return ["Content-Type must be application/json"]
    if len(body) > LARGEST_BYTES:
        return ["The payload is larger than 512 KB"]
    event = json.loads(body)
    found = [f"{error.json_path}: {error.message}" for error in _VALIDATOR.iter_errors(event)]
    at = event.get("payload", {}).get("timestamp")
    try:
        if at is not None and datetime.fromisoformat(at).tzinfo is None:
            found.append("timestamp names no zone")
    except ValueError:
        found.append("timestamp is no time of ISO 8601")
    return found
