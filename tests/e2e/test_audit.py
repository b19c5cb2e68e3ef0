"""One audit line per admin action, which says who did what to which, and no secret."""

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from doubles.hooks import MARK, Hook
from local.issuer import CLAIMS

from .api import DELIVERIES, ENDPOINTS, Api, Json, custom
from .conftest import App
from .hosting import Record

ACTOR = re.compile(r"00000000-0000-4000-8000-000000000002 through \S+")
TYPE = "custom.audit"


@pytest.fixture(scope="module")
def failed(app: App) -> tuple[Hook, Json, str, str]:
    """A receiver, its endpoint, an event's key, and the id of its delivery, which is exhausted."""
    hook = app.receiver.hook(500)
    endpoint = app.api.register(hook.url, TYPE)
    key = app.api.publish(custom(TYPE))["idempotencyKey"]
    delivery_id = app.api.delivery_id(key, endpoint)
    app.host.wait_for("delivery.exhausted", deliveryId=delivery_id)
    hook.answer(200)
    return hook, endpoint, key, delivery_id


def audited(app: App, method: str, path: str, body: object = None, *, expect: int = 200) -> Record:
    """The audit line of a call, which must be the only one: the next call's line comes after it."""
    known = len(app.host.found("audit"))
    app.api.call(method, path, body, expect=expect)
    app.api.call("GET", "/v1.0/options")
    app.host.wait_until(lambda: bool(app.host.found("audit")[known:]) and _is_last(app.host.found("audit")[known:]))
    *lines, last = app.host.found("audit")[known:]
    assert last["action"] == "signature_key.read"
    assert len(lines) == 1, lines
    assert ACTOR.fullmatch(lines[0]["actor"])
    return {name: value for name, value in lines[0].items() if name not in ("event", "actor")}


def _is_last(lines: list[Record]) -> bool:
    return len(lines) > 1 and lines[-1]["action"] == "signature_key.read"


def test_every_admin_action_has_its_line(app: App, failed: tuple[Hook, Json, str, str]) -> None:
    hook, endpoint, key, delivery_id = failed
    identity = {"endpointId": endpoint["id"]}
    path = f"{ENDPOINTS}/{endpoint['id']}"
    now = datetime.now(UTC).isoformat()
    again = {"endpoint": hook.url, "types": [TYPE], "name": MARK}
    assert audited(app, "POST", ENDPOINTS, again) == {"action": "endpoint.changed", **identity}
    assert audited(app, "PATCH", path, {"name": MARK}) == {"action": "endpoint.changed", **identity}
    assert audited(app, "GET", f"{path}/secret") == {"action": "endpoint.secret_read", **identity}
    assert audited(app, "POST", f"{path}/secret/rotate") == {"action": "endpoint.secret_rotated", **identity}
    assert audited(app, "POST", f"{path}/test") == {"action": "endpoint.tested", **identity}
    replayed = audited(app, "POST", f"{path}/replay", {"since": now}, expect=202)
    assert replayed == {"action": "endpoint.replayed", "deliveries": 0, **identity}
    retried = audited(app, "POST", f"{DELIVERIES}/{delivery_id}/retry", expect=202)
    assert retried == {"action": "delivery.retried", "deliveryId": delivery_id, **identity}
    app.api.ended(delivery_id, "delivered")
    erased = audited(app, "DELETE", f"/v1.0/events/{key}", expect=204)
    assert erased == {"action": "event.erased", "idempotencyKey": key, "publisher": CLAIMS["oid"]}
    assert audited(app, "DELETE", path, expect=204) == {"action": "endpoint.deleted", **identity}
    assert audited(app, "POST", ENDPOINTS, again) == {"action": "endpoint.registered", **identity}
    by_url = f"{ENDPOINTS}?endpoint={quote(hook.url, safe='')}"
    assert audited(app, "DELETE", by_url, expect=204) == {"action": "endpoint.deleted", **identity}


def test_the_signature_key(app: App) -> None:
    rotated = audited(app, "POST", "/v1.0/options/signature-key/rotate", {"activateInHours": 0})
    assert rotated.keys() == {"action", "activatesAt"}
    assert rotated["action"] == "signature_key.rotated"
    assert audited(app, "GET", "/v1.0/options") == {"action": "signature_key.read"}


@pytest.mark.parametrize(
    ("method", "tail", "body", "expect"),
    [
        ("GET", "", None, 404),
        ("PATCH", "", {"name": "x"}, 404),
        ("DELETE", "", None, 404),
        ("GET", "/secret", None, 404),
        ("POST", "/secret/rotate", None, 404),
        ("POST", "/replay", {"since": "2026-11-22T10:00:00Z"}, 404),
        ("POST", "/test", None, 404),
    ],
)
def test_what_was_refused_is_no_action(app: App, method: str, tail: str, body: object, expect: int) -> None:
    known = len(app.host.found("audit"))
    app.api.call(method, f"{ENDPOINTS}/{'A' * 26}{tail}", body, expect=expect)
    app.api.call("GET", "/v1.0/options")
    app.host.wait_until(lambda: len(app.host.found("audit")) > known)
    assert [line["action"] for line in app.host.found("audit")[known:]] == ["signature_key.read"]


def test_no_line_holds_a_secret(app: App, failed: tuple[Hook, Json, str, str]) -> None:
    lines = [line for line in app.host.lines if '"event": "audit"' in line]
    assert len(lines) > 10
    api: Api = app.api
    key = api.call("GET", "/v1.0/options").json["webhooksSignatureAuthenticationKey"]
    for hidden in (MARK, "whsec_", key, api._token, failed[0].url):
        assert not [line for line in lines if hidden in line]
