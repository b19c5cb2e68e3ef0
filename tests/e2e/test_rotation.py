"""Receivers can change keys without losing a delivery, by judges that are not ours."""

import base64
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from doubles.hooks import Hook, Received

from .api import ENDPOINTS, Json, custom, eventually
from .conftest import App
from .hosting import ROOT
from .test_wire import JUDGE, openssl_signature

OPTIONS = "/v1.0/options"
ROTATE = f"{OPTIONS}/signature-key/rotate"
SOON_SECONDS = 4


def verified_by_node(secret: str, received: Received) -> bool:
    given = {
        "secret": secret,
        "headers": {header.lower(): value for header, value in received.headers.items()},
        "body": base64.b64encode(received.body).decode(),
    }
    command = [shutil.which("node") or "node", "-e", JUDGE]
    judged = subprocess.run(command, cwd=ROOT, input=json.dumps(given), capture_output=True, text=True, check=False)
    return judged.stdout == "verified\n"


def verified_by_python(secret: str, received: Received) -> bool:
    try:
        Webhook(secret).verify(received.body, dict(received.headers))
    except WebhookVerificationError:
        return False
    return True


@pytest.fixture
def rotated(app: App) -> Iterator[tuple[Hook, Json]]:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "custom.rotated")
    yield hook, endpoint
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def deliver(app: App, hook: Hook) -> Received:
    key = app.api.publish(custom("custom.rotated"))["idempotencyKey"]
    return hook.wait(key=key)[0]


def test_an_endpoints_secret(app: App, rotated: tuple[Hook, Json]) -> None:
    """The old secret signs beside the new one, for a day."""
    hook, endpoint = rotated
    path = f"{ENDPOINTS}/{endpoint['id']}/secret"
    old = app.api.call("GET", path).json["secret"]
    assert len(deliver(app, hook).headers["webhook-signature"].split(" ")) == 1
    answer = app.api.call("POST", f"{path}/rotate").json
    new = answer["secret"]
    assert answer.keys() == {"secret", "previousSecretExpiresAt"}
    assert new.startswith("whsec_")
    assert new != old
    expires_at = datetime.fromisoformat(answer["previousSecretExpiresAt"])
    assert abs(expires_at - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)
    assert app.api.call("GET", path).json == {"secret": new}
    received = deliver(app, hook)
    signatures = received.headers["webhook-signature"].split(" ")
    assert len(signatures) == 3
    assert signatures[0] == signatures[2], "for readers that pass over the last one"
    for secret in (old, new):
        assert verified_by_python(secret, received)
        assert verified_by_node(secret, received)
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    assert not verified_by_python(other, received)
    assert not verified_by_node(other, received)


def test_the_signature_key(app: App, rotated: tuple[Hook, Json]) -> None:
    """It is announced, signs from its time on, and the announcement is gone then."""
    hook, _ = rotated
    before = app.api.call("GET", OPTIONS).json
    old = before["webhooksSignatureAuthenticationKey"]
    assert before == {"webhooksSignatureAuthenticationKey": old}
    began = time.time()
    announced = app.api.call("POST", ROTATE, {"activateInHours": SOON_SECONDS / 3600}).json
    new = announced["nextWebhooksSignatureAuthenticationKey"]
    activates_at = datetime.fromisoformat(announced["activatesAt"])
    assert announced == {**announced, "webhooksSignatureAuthenticationKey": old}
    assert uuid.UUID(new)
    assert new != old
    assert SOON_SECONDS - 0.1 < activates_at.timestamp() - began < SOON_SECONDS + 3
    assert app.api.call("GET", OPTIONS).json == announced
    received = deliver(app, hook)
    assert time.time() < activates_at.timestamp(), "this delivery was to come before the switch"
    assert received.headers["Signature"] == openssl_signature(old, received.body)
    after = eventually(lambda: app.api.call("GET", OPTIONS).json, lambda it: it != announced)
    assert time.time() >= activates_at.timestamp()
    assert after == {"webhooksSignatureAuthenticationKey": new}
    received = deliver(app, hook)
    assert received.headers["Signature"] == openssl_signature(new, received.body)
    assert received.headers["Signature"] != openssl_signature(old, received.body)


def test_an_announcement_is_a_day_ahead_unless_told_and_a_later_one_replaces_it(app: App) -> None:
    current = app.api.call("GET", OPTIONS).json["webhooksSignatureAuthenticationKey"]
    first = app.api.call("POST", ROTATE).json
    ahead = datetime.fromisoformat(first["activatesAt"]) - datetime.now(UTC)
    assert abs(ahead - timedelta(hours=24)) < timedelta(minutes=1)
    second = app.api.call("POST", ROTATE, {"activateInHours": 48}).json
    assert first["webhooksSignatureAuthenticationKey"] == second["webhooksSignatureAuthenticationKey"] == current
    keys = {current, *(each["nextWebhooksSignatureAuthenticationKey"] for each in (first, second))}
    assert len(keys) == 3
    at_once = app.api.call("POST", ROTATE, {"activateInHours": 0}).json
    assert at_once.keys() == {"webhooksSignatureAuthenticationKey"}
    assert at_once["webhooksSignatureAuthenticationKey"] not in keys
    assert app.api.call("GET", OPTIONS).json == at_once


@pytest.mark.parametrize(
    "body", [{"activateInHours": -1}, {"activateInHours": "1"}, {"activateInHours": 10**6}, {"x": 1}]
)
def test_a_wrong_rotation_changes_nothing(app: App, body: Json) -> None:
    before = app.api.call("GET", OPTIONS).json
    assert app.api.call("POST", ROTATE, body, expect=400).json["detail"]
    assert app.api.call("GET", OPTIONS).json == before


def test_only_an_admin_rotates(app: App) -> None:
    for roles in (["Point.Read"], ["Point.Publish"]):
        app.api.call("POST", ROTATE, roles=roles, expect=403)
        app.api.call("POST", f"{ENDPOINTS}/{'A' * 26}/secret/rotate", roles=roles, expect=403)
    app.api.call("POST", f"{ENDPOINTS}/{'A' * 26}/secret/rotate", expect=404)
