"""Deliveries with authentication and settings: those of now, in the format of then; and nothing sent without them."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from shared.api import endpoints as handlers
from shared.formats import FORMATS
from shared.identity import managed_identity
from shared.model import Auth, Delivery
from shared.outbound.signing import sign_point
from shared.outbound.tokens import Tokens
from shared.settings import read_settings

from .api import Api
from .identity import Identity
from .scene import URL, Scene, an_event

FLOW = "https://service.flow.microsoft.com/"
SIGNED = "https://prod-1.westeurope.logic.azure.com:443/workflows/1/invoke?sp=x&sig=hidden"
JIRA = json.dumps({"projectKey": "OPS"})
LEAST_SETTINGS = {
    "jira": JIRA,
    "connectwise": json.dumps({"company": 1}),
    "autotask": json.dumps({"companyId": 1, "queueId": 1}),
    "pagerduty": json.dumps({"routingKey": "0" * 32}),
    "email": json.dumps({"recipients": ["it@contoso.com"], "digestMinutes": 0}),
    "template": json.dumps({"template": {"type": "ProvisioningStarted", "content": {"name": "forged"}}}),
}


def delivered(scene: Scene, url: str = URL, **given: Any) -> tuple[dict[str, str], bytes]:
    """What arrives at a new endpoint."""
    scene.register(url, **given)
    scene.publish(an_event())
    scene.dispatch_next()
    [received] = scene.receiver.of(url)
    return received


def not_sent(scene: Scene, url: str = URL, **given: Any) -> Delivery:
    """The row of a delivery for which nothing could be sent."""
    scene.register(url, **given)
    scene.publish(an_event())
    scene.dispatch_next()
    assert scene.receiver.posts == []
    return scene.row(scene.ids(an_event())[0])


def test_headers_arrive_beside_those_of_every_delivery(scene: Scene) -> None:
    scene.register("https://plain.example/")
    scene.register(auth=Auth(type="headers", headers={"X-Token": "t"}))
    scene.publish(an_event())
    scene.run()
    [(plain, _)], [(headers, _)] = scene.receiver.of("https://plain.example/"), scene.receiver.of(URL)
    assert headers["X-Token"] == "t"
    assert headers.keys() - {"X-Token"} == plain.keys()


def test_a_header_that_registration_should_have_refused_changes_no_signature(scene: Scene) -> None:
    headers, _ = delivered(scene, auth=Auth(type="headers", headers={"Signature": "forged", "webhook-id": "forged"}))
    assert "forged" not in headers.values()


@pytest.mark.parametrize("name", FORMATS)
def test_only_what_publisher_and_app_decide_is_signed_by_the_key_of_all(scene: Scene, name: str) -> None:
    """A template without placeholders was signed as an event of Syskit Point's, for whoever holds Point.Subscribe."""
    headers, body = delivered(scene, format=name, settings=LEAST_SETTINGS)
    assert headers["webhook-signature"]
    shared = sign_point(body, scene.app.options.signature_key(scene.clock.now)) if name in ("point", "spscan") else {}
    assert {each: headers[each] for each in ("Signature", "Algorithm") if each in headers} == shared


def test_basic_arrives_with_what_goes_with_it(scene: Scene) -> None:
    auth = Auth(type="basic", username="company+public", password="p:ü", headers={"clientId": "c"})
    headers, _ = delivered(scene, auth=auth)
    assert headers["clientId"] == "c"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "company+public:p:ü"


def test_a_token_of_the_managed_identity_arrives_and_is_asked_for_once(scene: Scene, identity: Identity) -> None:
    headers, _ = delivered(scene, auth=Auth(type="entra", audience=FLOW))
    assert headers["Authorization"] == f"Bearer token for {FLOW}"
    scene.publish(an_event("next"))
    scene.dispatch_next()
    assert scene.receiver.posts[-1][1]["Authorization"] == headers["Authorization"]
    assert [query["resource"] for query in identity.asked] == [[FLOW]]


def test_the_identity_that_the_settings_name_is_used(identity: Identity) -> None:
    assert (
        Tokens(lambda: managed_identity("0d5f3c1e-0000-4000-8000-000000000001")).get("api://x") == "token for api://x"
    )
    assert identity.asked[0]["client_id"] == ["0d5f3c1e-0000-4000-8000-000000000001"]


def test_without_a_token_nothing_is_sent_and_the_attempt_says_why(scene: Scene, identity: Identity) -> None:
    identity.answer = lambda _: (400, {"statusCode": 400, "message": "AADSTS500011: SECRET was not found"})
    row = not_sent(scene, auth=Auth(type="entra", audience="api://nobody"))
    assert row.status == "pending", "it is tried again: the fault may be mended"
    error = str(row.attempts[0].error)
    assert error.startswith("nothing was sent: no token for api://nobody: Entra refused with AADSTS500011")
    assert "SECRET" not in error


@pytest.mark.parametrize(
    ("url", "auth", "says"),
    [
        (SIGNED, Auth(type="basic", username="u", password="p"), "the URL has a sig parameter"),
        (SIGNED, Auth(type="entra", audience=FLOW), "the URL has a sig parameter"),
        (SIGNED, Auth(type="headers", headers={"authorization": "x"}), "the URL has a sig parameter"),
        (URL, Auth(type="entra", audience="https://graph.microsoft.com"), "a service in which the app has rights"),
        (URL, Auth(type="entra", audience="https://ingest.example"), "not among ALLOWED_TOKEN_AUDIENCES"),
        (URL, Auth(type="mtls"), "'mtls' is not known to this version"),
    ],
)
def test_what_registration_refuses_is_refused_at_the_attempt(scene: Scene, url: str, auth: Auth, says: str) -> None:
    """An endpoint may be of another version, and the settings of yesterday."""
    row = not_sent(scene, url, auth=auth)
    assert says in str(row.attempts[0].error)


def test_authentication_taken_off_is_gone_with_the_next_attempt(scene: Scene) -> None:
    auth = Auth(type="headers", headers={"X-Token": "t"})
    delivered(scene, auth=auth)
    [endpoint] = scene.app.endpoints.read_all()
    scene.change(endpoint.id, auth=None)
    scene.publish(an_event("next"))
    scene.dispatch_next()
    assert "X-Token" not in scene.receiver.posts[-1][1]


def test_deliveries_of_an_earlier_format_keep_its_settings(scene: Scene) -> None:
    """The format is fixed when an event is published; settings are the current ones of that format."""
    endpoint = scene.register(format="jira", settings={"jira": JIRA})
    scene.publish(an_event("waits"))
    moved = {"format": "point", "settings": {"jira": json.dumps({"projectKey": "IT"})}}
    scene.change(endpoint.id, **moved)
    scene.publish(an_event("new"))
    scene.run()
    first, second = (json.loads(body) for _, body in scene.receiver.of(URL))
    assert first["fields"]["project"] == {"key": "IT"}
    assert second["meta"]["idempotencyKey"] == "new"


@pytest.mark.parametrize("given", [{}, {"jira": '{"projectKey":7}'}])
def test_without_settings_that_fit_nothing_is_sent_until_they_are_mended(scene: Scene, given: dict[str, str]) -> None:
    row = not_sent(scene, format="jira", settings=given)
    assert "nothing was sent: the endpoint's settings do not fit the wire format 'jira'" in str(row.attempts[0].error)
    [endpoint] = scene.app.endpoints.read_all()
    scene.change(endpoint.id, settings={"jira": JIRA})
    scene.run()
    assert scene.row(scene.ids(an_event())[0]).status == "delivered"


def test_a_test_event_is_sent_as_deliveries_are(api: Api) -> None:
    auth = Auth(type="headers", headers={"X-Token": "t"})
    endpoint = api.scene.register(format="jira", settings={"jira": JIRA}, auth=auth)
    assert api(handlers.test, route=endpoint.id).body["status"] == 200
    [(headers, body)] = api.scene.receiver.of(URL)
    assert headers["X-Token"] == "t"
    assert json.loads(body)["fields"]["project"] == {"key": "OPS"}


def test_an_audience_that_is_no_longer_allowed_is_refused_by_the_next_attempt(
    scene: Scene, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(scene, auth=Auth(type="entra", audience=FLOW))
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "SECRETS_KEY": scene.app.settings.secrets_keys[0]}
    narrowed = read_settings(values | {"ALLOWED_TOKEN_AUDIENCES": "api://desk"})
    later = Scene(replace(scene.app, settings=narrowed), scene.clock, scene.receiver, scene.queue, scene.poison)
    later.publish(an_event("next"))
    later.dispatch_next()
    assert len(scene.receiver.posts) == 1
    assert "ALLOWED_TOKEN_AUDIENCES" in str(scene.row(scene.ids(an_event("next"))[0]).attempts[0].error)
