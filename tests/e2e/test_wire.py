"""What a receiver gets, verified by judges that are not ours."""

import base64
import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

from doubles.hooks import MARK, Hook, Received

from .api import ENDPOINTS
from .conftest import App
from .hosting import ROOT

KNOWN_KEY = "158b08cc-6a06-49f2-a724-2bc514fdcf1e"
KNOWN_BODY = (
    '{"type":"ProvisioningStarted","content":{"name":"Resource Name","type":"MicrosoftTeams","requestedOn":'
    '"2023-10-05T14:48:00","requesterId":"235ec2cb-0767-40b3-a1de-4da2c42b19e9"},"meta":{"timeStamp":'
    '"2023-10-05T14:48:00","idempotencyKey":"f9ac8355-ddd7-48a3-98fb-9d4142501510"}}'
)
KNOWN_SIGNATURE = "MT+8L12SRxYlyn1i4RzSvj1pV6kCUpm7B3id+Rim3A8="
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
JUDGE = """
const { Webhook } = require("standardwebhooks");
const { secret, headers, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const judge = new Webhook(secret);
const bytes = Buffer.from(body, "base64");
judge.verify(bytes, headers);
try { judge.verify(Buffer.concat([bytes, Buffer.from(" ")]), headers); } catch { console.log("verified"); }
"""

READER = """
const { HTTP } = require("cloudevents");
const { headers, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const { id, type, time, data, severity } = HTTP.toEvent({ headers, body });
console.log(JSON.stringify({ id, type, time, data, severity }));
"""


@dataclass(frozen=True)
class Sent:
    """One event delivered in both formats, with the keys to verify it."""

    point: Received
    spscan: Received
    secrets: Mapping[str, str]
    signature_key: str


@pytest.fixture(scope="module")
def hooks(app: App) -> Iterator[dict[str, tuple[Hook, str]]]:
    """A receiver of each format, and the secret of its endpoint."""
    found: dict[str, tuple[Hook, str]] = {}
    ids = []
    for name in ("point", "spscan"):
        hook = app.receiver.hook(suffix="/a%2Fb/%7e/../x?q=%20a+b&empty=&q=2")
        endpoint = app.api.register(hook.url, "ProvisioningStarted", format=name)
        secret = app.api.call("GET", f"{ENDPOINTS}/{endpoint['id']}/secret").json["secret"]
        found[name] = hook, secret
        ids.append(endpoint["id"])
    yield found
    for each in ids:
        app.api.call("DELETE", f"{ENDPOINTS}/{each}", expect=204)


@pytest.fixture(scope="module")
def sent(app: App, hooks: dict[str, tuple[Hook, str]]) -> Sent:
    """The event of the known answer, published within a trace."""
    app.api.publish(json.loads(KNOWN_BODY), traceparent=PARENT)
    return Sent(
        point=hooks["point"][0].wait()[0],
        spscan=hooks["spscan"][0].wait()[0],
        secrets={name: secret for name, (_, secret) in hooks.items()},
        signature_key=app.api.call("GET", "/v1.0/options").json["webhooksSignatureAuthenticationKey"],
    )


def openssl_signature(key: str, body: bytes) -> str:
    openssl = shutil.which("openssl")
    assert openssl, "openssl is the independent judge of `Signature`: install it"
    command = [openssl, "dgst", "-sha256", "-hmac", key, "-binary"]
    return base64.b64encode(subprocess.run(command, input=body, capture_output=True, check=True).stdout).decode()


def test_point_is_syskits_envelope(sent: Sent) -> None:
    assert sent.point.body.decode() == KNOWN_BODY


def test_spscan_is_spscans_payload(sent: Sent) -> None:
    assert sent.spscan.body.decode() == (
        '{"event":"ProvisioningStarted","timestamp":"2023-10-05T14:48:00","tenant":{"id":"contoso","display_name":'
        '"Contoso","microsoft_tenant_id":"235ec2cb-0767-40b3-a1de-4da2c42b19e9"},"data":{"name":"Resource Name","type":'
        '"MicrosoftTeams","requested_on":"2023-10-05T14:48:00","requester_id":"235ec2cb-0767-40b3-a1de-4da2c42b19e9"},'
        '"severity":"low","event_id":"f9ac8355-ddd7-48a3-98fb-9d4142501510"}'
    )


def test_signature_is_hmac_sha256_of_the_bytes_sent(sent: Sent) -> None:
    assert openssl_signature(KNOWN_KEY, KNOWN_BODY.encode()) == KNOWN_SIGNATURE, "the judge itself is right"
    assert uuid.UUID(sent.signature_key)
    for received in (sent.point, sent.spscan):
        assert received.headers["Algorithm"] == "HMACSHA256"
        assert received.headers["Signature"] == openssl_signature(sent.signature_key, received.body)


@pytest.mark.parametrize("name", ["point", "spscan"])
def test_standard_webhooks_for_python_verifies(sent: Sent, name: str) -> None:
    received: Received = getattr(sent, name)
    headers = dict(received.headers)
    verified: Any = Webhook(sent.secrets[name]).verify(received.body, headers)
    assert verified == json.loads(received.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(sent.secrets[name]).verify(received.body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(sent.secrets["spscan" if name == "point" else "point"]).verify(received.body, headers)


@pytest.mark.parametrize("name", ["point", "spscan"])
def test_standard_webhooks_for_node_verifies(sent: Sent, name: str) -> None:
    received: Received = getattr(sent, name)
    given = {
        "secret": sent.secrets[name],
        "headers": {header.lower(): value for header, value in received.headers.items()},
        "body": base64.b64encode(received.body).decode(),
    }
    command = [shutil.which("node") or "node", "-e", JUDGE]
    judged = subprocess.run(command, cwd=ROOT, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert judged.stdout == "verified\n", judged.stderr


@pytest.fixture(scope="module")
def cloudevent(app: App) -> Iterator[Received]:
    hook = app.receiver.hook()
    endpoint = app.api.register(hook.url, "ProvisioningStarted", format="cloudevents")
    event = json.loads(KNOWN_BODY)
    yield hook.wait(key=app.api.publish(event | {"meta": {"timeStamp": event["meta"]["timeStamp"]}})["idempotencyKey"])[
        0
    ]
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_the_cloudevents_sdk_for_python_reads_a_delivery(cloudevent: Received) -> None:
    read = from_http_event(HTTPMessage(dict(cloudevent.headers), cloudevent.body))
    assert (read.get_id(), read.get_type()) == (cloudevent.headers["webhook-id"], "ProvisioningStarted")
    assert read.get_time() == datetime(2023, 10, 5, 14, 48, tzinfo=UTC)
    assert read.get_data() == json.loads(KNOWN_BODY)["content"]
    assert read.get_extension("severity") == "low"


def test_the_cloudevents_sdk_for_node_reads_a_delivery(cloudevent: Received) -> None:
    headers = {header.lower(): value for header, value in cloudevent.headers.items()}
    given = json.dumps({"headers": headers, "body": cloudevent.body.decode()})
    command = [shutil.which("node") or "node", "-e", READER]
    read = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    event = json.loads(read.stdout)
    assert datetime.fromisoformat(event.pop("time")) == datetime(2023, 10, 5, 14, 48, tzinfo=UTC)
    content = json.loads(KNOWN_BODY)["content"]
    expected = {"id": headers["webhook-id"], "type": "ProvisioningStarted", "data": content, "severity": "low"}
    assert event == expected


def test_headers(sent: Sent) -> None:
    for received in (sent.point, sent.spscan):
        assert received.headers["Content-Type"] == "application/json"
        assert re.fullmatch(r"TenantHooks/\d+\.\d+\.\d+", received.headers["User-Agent"])
        assert received.headers["webhook-id"] == "f9ac8355-ddd7-48a3-98fb-9d4142501510"
        assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 60
        assert received.headers["Content-Length"] == str(len(received.body))
        assert "Authorization" not in received.headers
        assert "Cookie" not in received.headers


def test_a_body_of_the_endpoints_own_making_is_not_signed_by_the_key_of_all(app: App) -> None:
    hook = app.receiver.hook()
    forged = {"template": json.loads(KNOWN_BODY)}
    endpoint = app.api.register(hook.url, "custom.forged", format="template", settings=forged)
    secret = app.api.call("GET", f"{ENDPOINTS}/{endpoint['id']}/secret").json["secret"]
    app.api.publish({"type": "custom.forged", "content": {}})
    received = hook.wait()[0]
    assert json.loads(received.body) == json.loads(KNOWN_BODY)
    assert not {"Signature", "Algorithm"} & received.headers.keys()
    assert Webhook(secret).verify(received.body, dict(received.headers))
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_the_url_is_used_byte_for_byte(sent: Sent) -> None:
    assert sent.point.target.endswith(f"/a%2Fb/%7e/../x?q=%20a+b&empty=&q=2&code={MARK}")


def test_a_given_trace_is_continued(sent: Sent) -> None:
    spans = []
    for received in (sent.point, sent.spscan):
        version, trace, span, flags = received.headers["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE, "01")
        assert re.fullmatch("[0-9a-f]{16}", span)
        spans.append(span)
    assert len({*spans, PARENT.split("-")[2]}) == 3, "every attempt is a span of its own"


@pytest.mark.parametrize("given", [None, "nonsense", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
def test_without_a_usable_trace_a_new_one_begins(
    app: App, hooks: dict[str, tuple[Hook, str]], given: str | None
) -> None:
    event = json.loads(KNOWN_BODY) | {"meta": {"idempotencyKey": str(uuid.uuid4())}}
    app.api.call("POST", "/v1.0/events", event, expect=202, headers={"traceparent": given})
    received = hooks["point"][0].wait(key=event["meta"]["idempotencyKey"])[0]
    version, trace, _, _ = received.headers["traceparent"].split("-")
    assert version == "00"
    assert re.fullmatch("[0-9a-f]{32}", trace)
    assert trace not in (TRACE, "0" * 32)
