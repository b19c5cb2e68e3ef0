"""One structured line per attempt, and never a path, a query, a header or a body in any line."""

import re
from urllib.parse import urlsplit

import pytest

from doubles.hooks import MARK, Answer

from .api import DELIVERIES, ENDPOINTS, custom
from .conftest import App

BODY_MARK = f"BODY-{MARK}"


def test_the_start_tells_what_is_in_force_and_no_secret(app: App) -> None:
    [line] = app.host.found("settings.loaded")
    assert line["settings"]["RETRY_DELAYS"].startswith("1,")
    assert line["settings"]["SECRETS_KEY"] == line["settings"]["AzureWebJobsStorage"] == "(secret)"
    assert app.host.found("settings.unknown") == []


def test_every_attempt_has_one_line(app: App) -> None:
    hook = app.receiver.hook(500, 200)
    endpoint = app.api.register(hook.url, "custom.logged")
    key = app.api.publish(custom("custom.logged"))["idempotencyKey"]
    delivery_id = app.api.delivery_id(key, endpoint)
    app.api.ended(delivery_id, "delivered")
    app.host.wait_for("delivery.attempted", deliveryId=delivery_id, status=200)
    lines = app.host.found("delivery.attempted", deliveryId=delivery_id)
    shared = {
        "event": "delivery.attempted",
        "deliveryId": delivery_id,
        "endpointId": endpoint["id"],
        "host": "127.0.0.1",
        "type": "custom.logged",
        "idempotencyKey": key,
    }
    assert [{**line, "durationMs": 0} for line in lines] == [
        {**shared, "attempt": 1, "status": 500, "durationMs": 0, "next": "retry", "retryInSeconds": 1},
        {**shared, "attempt": 2, "status": 200, "durationMs": 0, "next": "delivered"},
    ]
    assert all(line["durationMs"] >= 0 for line in lines)
    assert f'"{delivery_id}"' in app.host.wait_for_line(delivery_id)
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_an_attempt_without_an_answer_has_its_error(app: App) -> None:
    endpoint = app.api.register(f"http://127.0.0.1:9/x?code={MARK}", "custom.unlogged")
    key = app.api.publish(custom("custom.unlogged"))["idempotencyKey"]
    line = app.host.wait_for("delivery.attempted", idempotencyKey=key)
    assert line["error"]
    assert "status" not in line
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_admin_actions_leave_an_audit_line(app: App) -> None:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.audited")
    path = f"{ENDPOINTS}/{endpoint['id']}"
    app.api.call("PATCH", path, {"name": "x"})
    app.api.call("GET", f"{path}/secret")
    app.api.call("POST", f"{path}/test")
    app.api.call("DELETE", path, expect=204)
    app.host.wait_for("audit", action="endpoint.deleted", endpointId=endpoint["id"])
    lines = app.host.found("audit", endpointId=endpoint["id"])
    assert len(lines) == 5
    assert len({line["action"] for line in lines}) == 5
    assert all("00000000-0000-4000-8000-000000000002" in line["actor"] for line in lines)


@pytest.mark.slow
def test_no_secret_is_ever_logged(app: App) -> None:
    """Of anything that the tests before did to this app, and of what is done here."""
    hook = app.receiver.hook(Answer(500, body=BODY_MARK))
    url = hook.url.replace("?", f"/{MARK}?")
    endpoint = app.api.register(url, "custom.secret", name=BODY_MARK)
    secret = app.api.call("GET", f"{ENDPOINTS}/{endpoint['id']}/secret").json["secret"]
    event = custom("custom.secret", password=BODY_MARK)
    app.api.publish(event)
    app.api.publish({**event, "content": {"password": f"other {BODY_MARK}"}}, expect=409)
    app.api.publish({**event, "severity": BODY_MARK}, expect=400)
    app.api.call("POST", ENDPOINTS, {"endpoint": f"http://127.0.0.1:x/{MARK}", "types": ["*"]}, expect=400)
    app.api.call("DELETE", f"{ENDPOINTS}?endpoint=http://127.0.0.1/{MARK}", expect=404)
    app.api.call("GET", f"{DELIVERIES}/{MARK}", expect=404)
    app.host.wait_for("delivery.exhausted", idempotencyKey=event["meta"]["idempotencyKey"])
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
    output = app.host.output
    signatures = [each.headers[name] for each in hook.received for name in ("Signature", "webhook-signature")]
    key = app.api.call("GET", "/v1.0/options").json["webhooksSignatureAuthenticationKey"]
    paths = [urlsplit(hook.url).path]
    for hidden in (MARK, BODY_MARK, secret, key, "whsec_", app.api._token, *signatures, *paths):
        assert hidden not in output
    attempts = [line for line in app.host.lines if '"delivery.attempted"' in line]
    assert len(attempts) >= 4
    for line in attempts:
        assert re.fullmatch(r"\S+ \[[0-9a-f]{8}\] INFO tenant_hooks: \{.*\}", line)
