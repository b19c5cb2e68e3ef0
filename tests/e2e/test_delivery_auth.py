"""Deliveries prove themselves to their receivers: custom headers, basic, a token of the app's managed identity."""

import base64
from contextlib import closing
from typing import Any

import pytest

from doubles.hooks import Answer, Received, Receiver
from local.issuer import sign_token

from .api import ENDPOINTS, Api, Json, custom
from .conftest import App
from .identity import RESOURCE_NOT_FOUND, Identity

TYPE = "custom.proved"
FLOW = "https://service.flow.microsoft.com/"


def arriving(api: Api, receiver: Receiver, **given: Any) -> tuple[Json, Received]:
    """A new endpoint, and what arrives at it."""
    hook = receiver.hook()
    endpoint = api.register(hook.url, TYPE, **given)
    key = api.publish(custom(TYPE))["idempotencyKey"]
    [received] = hook.wait(key=key)
    return endpoint, received


def patch(api: Api, endpoint: Json, body: Any, expect: int = 200) -> Json:
    changed: Json = api.call("PATCH", f"{ENDPOINTS}/{endpoint['id']}", body, expect=expect).json
    return changed


def test_custom_headers_arrive_and_are_shown_by_name_alone(api: Api, receiver: Receiver) -> None:
    auth = {"type": "headers", "headers": {"X-Automation-Webhook-Token": "HIDDEN", "Authorization": "Splunk HIDDEN"}}
    endpoint, received = arriving(api, receiver, auth=auth)
    assert received.headers["X-Automation-Webhook-Token"] == "HIDDEN"
    assert received.headers["Authorization"] == "Splunk HIDDEN"
    shown = {"type": "headers", "headerNames": ["X-Automation-Webhook-Token", "Authorization"]}
    assert endpoint["auth"] == shown
    read = api.call("GET", f"{ENDPOINTS}/{endpoint['id']}")
    assert read.json["auth"] == shown
    assert "HIDDEN" not in read.text + api.call("GET", ENDPOINTS).text


def test_basic_arrives(api: Api, receiver: Receiver) -> None:
    auth = {"type": "basic", "username": "desk@contoso", "password": "p:€"}
    endpoint, received = arriving(api, receiver, auth=auth)
    scheme, _, encoded = received.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(encoded).decode()) == ("Basic", "desk@contoso:p:€")
    assert endpoint["auth"] == {"type": "basic", "username": "desk@contoso"}


@pytest.mark.parametrize("audience", [FLOW, "api://0d5f3c1e-0000-4000-8000-000000000001"])
def test_a_token_of_the_managed_identity_arrives(
    api: Api, receiver: Receiver, identity: Identity, audience: str
) -> None:
    endpoint, received = arriving(api, receiver, auth={"type": "entra", "audience": audience})
    assert received.headers["Authorization"] == f"Bearer {identity.token(audience)}"
    assert endpoint["auth"] == {"type": "entra", "audience": audience}


def test_authentication_is_changed_and_taken_off_by_a_patch(api: Api, receiver: Receiver) -> None:
    hook = receiver.hook()
    endpoint = api.register(hook.url, TYPE, auth={"type": "headers", "headers": {"X-A": "1", "X-B": "2"}})
    patch(api, endpoint, {"auth": {"headers": {"X-A": "new"}}})
    first = api.publish(custom(TYPE))["idempotencyKey"]
    [received] = hook.wait(key=first)
    assert (received.headers["X-A"], received.headers["X-B"]) == ("new", "2")
    assert "auth" not in patch(api, endpoint, {"auth": None})
    second = api.publish(custom(TYPE))["idempotencyKey"]
    [received] = hook.wait(key=second)
    assert not {"X-A", "X-B"} & received.headers.keys()


def test_authorization_never_goes_to_a_url_with_a_sig(api: Api, receiver: Receiver) -> None:
    """Not at registration, and not by a later change."""
    url = receiver.hook(suffix="?sp=x&sig=1").url
    refused = {"endpoint": url, "types": [TYPE], "auth": {"type": "entra", "audience": FLOW}}
    assert "sig" in api.call("POST", ENDPOINTS, refused, expect=400).json["detail"]
    endpoint = api.register(url, TYPE, auth={"type": "headers", "headers": {"X-A": "1"}})
    basic = {"type": "basic", "username": "u", "password": "HIDDEN"}
    assert "sig" in patch(api, endpoint, {"auth": basic}, expect=400)["detail"]
    assert patch(api, endpoint, {"name": "same"})["auth"] == {"type": "headers", "headerNames": ["X-A"]}


def test_only_an_admin_may_give_an_endpoint_authentication(app: App, receiver: Receiver) -> None:
    """Else whoever may subscribe could have a token of the app sent to a URL of their own."""
    url = receiver.hook().url
    body = {"endpoint": url, "types": [TYPE], "auth": {"type": "entra", "audience": FLOW}}
    with closing(Api(app.host.url, app.api.key)) as subscriber:
        subscriber._token = sign_token(app.api.key, ["Point.Subscribe"])
        assert "Point.Admin" in subscriber.call("POST", ENDPOINTS, body, expect=403).json["detail"]
        assert subscriber.register(url, TYPE)["endpoint"] == url


def test_without_a_token_the_attempt_says_why_and_nothing_is_sent(api: Api, receiver: Receiver) -> None:
    hook = receiver.hook()
    endpoint = api.register(hook.url, TYPE, auth={"type": "entra", "audience": RESOURCE_NOT_FOUND})
    attempt = api.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test", expect=200).json
    assert "nothing was sent: no token for api://nobody: Entra refused with AADSTS500011" in attempt["error"]
    assert hook.received == []


# The handshake of CloudEvents


def asked(api: Api, url: str, expect: int = 200, **more: Any) -> Json:
    body = {"endpoint": url, "types": [TYPE], "format": "cloudevents", "settings": {"handshake": True}, **more}
    answer = api.call("POST", ENDPOINTS, body, expect=expect, headers={"Prefer": "return=representation"})
    json: Json = answer.json
    return json


@pytest.mark.parametrize("allowed", ["*", "localhost", "LocalHost"])
def test_a_receiver_that_consents_is_registered_and_asked_once(api: Api, receiver: Receiver, allowed: str) -> None:
    hook = receiver.hook(Answer(200, headers={"WebHook-Allowed-Origin": allowed}))
    endpoint = asked(api, hook.url, auth={"type": "headers", "headers": {"X-Token": "t"}})
    [request] = hook.received
    assert request.method == "OPTIONS"
    assert request.headers["WebHook-Request-Origin"] == "localhost"
    assert request.headers["X-Token"] == "t"
    patch(api, endpoint, {"name": "same"})
    assert len(hook.received) == 1
    patch(api, endpoint, {"auth": None, "settings": {"handshake": False}})
    patch(api, endpoint, {"settings": {"handshake": True}})
    assert len(hook.received) == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(200), "it answered 200 with none"),
        (Answer(200, headers={"WebHook-Allowed-Origin": "other.example"}), "it answered 200 with another origin"),
        (Answer(405, headers={"WebHook-Allowed-Origin": "*"}), "it answered 405"),
        (Answer(302, headers={"Location": "/elsewhere", "WebHook-Allowed-Origin": "*"}), "it answered 302"),
        (Answer(hang_up=True), "did not answer: the connection was closed"),
    ],
    ids=["silent", "another", "405", "redirect", "hang-up"],
)
def test_a_receiver_that_does_not_consent_is_not_registered(
    api: Api, receiver: Receiver, answer: Answer, says: str
) -> None:
    hook = receiver.hook(answer)
    detail = asked(api, hook.url, expect=400)["detail"]
    assert says in detail
    assert answer.hang_up or "must answer 200 with 'WebHook-Allowed-Origin: localhost'" in detail
    assert hook.url not in [each["endpoint"] for each in api.call("GET", ENDPOINTS).json]
