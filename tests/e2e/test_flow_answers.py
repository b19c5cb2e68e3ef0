"""A flow's error codes decide what follows, and the app says why in words."""

import json
from datetime import datetime, timedelta

from doubles.hooks import Answer, Receiver

from .api import ENDPOINTS, Api, custom, eventually

TYPE = "custom.flow"


def answer(code: str, message: str = "why") -> Answer:
    """As Logic Apps and Power Automate say it."""
    return Answer(400, json.dumps({"error": {"code": code, "message": message}}))


def test_a_body_that_does_not_fit_is_in_the_alert_log_after_one_attempt(api: Api, receiver: Receiver) -> None:
    hook = receiver.hook(answer("TriggerInputSchemaMismatch"))
    endpoint = api.register(hook.url, TYPE)
    delivery_id = api.delivery_id(api.publish(custom(TYPE))["idempotencyKey"], endpoint)
    failed = api.ended(delivery_id, "failed")
    assert len(failed["attempts"]) == 1
    assert "TriggerInputSchemaMismatch: the body does not fit the JSON schema of the flow's trigger" in failed["reason"]
    lines = eventually(lambda: [line for line in api.alerts() if line["id"] == delivery_id], bool)
    assert [line["reason"] for line in lines] == [failed["reason"]]
    assert api.call("GET", f"{ENDPOINTS}/{endpoint['id']}").json["health"]["state"] == "healthy"


def test_a_deleted_flow_disables_its_endpoint(api: Api, receiver: Receiver) -> None:
    hook = receiver.hook(answer("WorkflowTriggerIsNotEnabled", "trigger 'manual' with state 'Deleted': not enabled."))
    endpoint = api.register(hook.url, TYPE)
    delivery_id = api.delivery_id(api.publish(custom(TYPE))["idempotencyKey"], endpoint)
    reason = api.ended(delivery_id, "cancelled")["reason"]
    assert "the flow was deleted: register the URL of its successor" in reason
    read = f"{ENDPOINTS}/{endpoint['id']}"
    health = eventually(lambda: api.call("GET", read).json["health"], lambda health: health["state"] == "disabled")
    assert health["disabledReason"] == reason


def test_a_flow_that_is_off_is_left_alone_for_an_hour(api: Api, receiver: Receiver) -> None:
    hook = receiver.hook(answer("WorkflowTriggerIsNotEnabled", "trigger 'manual' with state 'Suspended': not enabled."))
    endpoint = api.register(hook.url, TYPE)
    key = api.publish(custom(TYPE))["idempotencyKey"]
    delivery_id = api.delivery_id(key, endpoint)
    waiting = eventually(lambda: api.delivery(delivery_id), lambda delivery: bool(delivery["attempts"]))
    assert waiting["status"] == "pending"
    started_at, next_at = map(datetime.fromisoformat, (waiting["attempts"][0]["startedAt"], waiting["nextAttemptAt"]))
    assert timedelta(hours=1) <= next_at - started_at < timedelta(hours=1, minutes=1)
