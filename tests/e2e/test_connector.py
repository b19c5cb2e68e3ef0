"""The connector's definition drives the running app as Power Platform would, and knows nothing else of it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema
import pytest
import requests

from doubles.hooks import Received
from integrations.connector.definition import FILE
from local.issuer import sign_token

from .api import Api, Json, eventually
from .conftest import App

DEFINITION: Json = json.loads(FILE.read_text(encoding="utf-8"))
CALLERS: dict[str, dict[str, Any]] = {
    "delegated": {"oid": "00000000-0000-4000-8000-0000000000d1", "scp": "user_impersonation", "name": "Adele"},
    "application": {"oid": "00000000-0000-4000-8000-0000000000a1", "idtyp": "app"},
}
METHODS = ("get", "post", "delete")


@dataclass(frozen=True)
class Operation:
    path: str
    method: str
    item: Json
    spec: Json

    def parameter(self, name: str) -> Json:
        found: Json = next(each for each in self.spec["parameters"] if each["name"] == name)
        return found

    @property
    def body(self) -> Json:
        schema: Json = self.parameter("body")["schema"]
        return schema

    @property
    def callback(self) -> str:
        [name] = [name for name, field in self.body["properties"].items() if field.get("x-ms-notification-url")]
        return str(name)


def operation(name: str) -> Operation:
    return next(
        Operation(path, method, item, item[method])
        for path, item in DEFINITION["paths"].items()
        for method in METHODS
        if item.get(method, {}).get("operationId") == name
    )


class Platform:
    """A connection: a host and a token. Sends what the definition says and no header besides."""

    def __init__(self, api: Api, roles: list[str], claims: dict[str, Any]) -> None:
        self._base = api.base  # the policy dynamichosturl
        self._headers = {"Authorization": f"Bearer {sign_token(api.key, roles, **claims)}"}
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def call(self, name: str, body: Json | None = None, /, **given: Any) -> requests.Response:
        """An operation with what a maker filled in; unseen parameters have their defaults."""
        called = operation(name)
        path, query, headers = called.path, {}, dict(self._headers)
        for parameter in called.spec["parameters"]:
            value = given.pop(parameter["name"], parameter.get("default"))
            if parameter["in"] == "body" or value is None:
                continue
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
            elif parameter["in"] == "query":
                query[parameter["name"]] = value
            else:
                headers[parameter["name"]] = value
        assert not given, "the definition does not know these"
        answer = self._session.request(
            called.method, self._base + path, params=query, json=body, headers=headers, timeout=60
        )
        self._check(called, answer)
        return answer

    def dropdown(self, extension: Json) -> dict[str, str]:
        """Value by title."""
        listed = self.call(extension["operationId"], **extension.get("parameters", {})).json()
        entries = listed[extension["value-collection"]]
        return {entry[extension["value-title"]]: entry[extension["value-path"]] for entry in entries}

    def schema(self, holder: Json, chosen: dict[str, str]) -> Json:
        """A schema, fetched where it depends on what was chosen; both versions of the extension give the same."""
        if "x-ms-dynamic-schema" not in holder:
            return holder
        one, two = holder["x-ms-dynamic-schema"], holder["x-ms-dynamic-properties"]
        asked = {name: chosen[each["parameter"]] for name, each in one["parameters"].items()}
        again = {name: chosen[each["parameterReference"]] for name, each in two["parameters"].items()}
        found: Json = self.call(one["operationId"], **asked).json()[one["value-path"]]
        assert self.call(two["operationId"], **again).json()[two["itemValuePath"]] == found
        return found

    def subscribe(self, trigger: str, callback_url: str, **chosen: str) -> str:
        """The `Location` to unsubscribe by."""
        called = operation(trigger)
        answer = self.call(trigger, {called.callback: callback_url}, **chosen)
        assert answer.status_code == 201
        return answer.headers["Location"]

    def unsubscribe(self, location: str) -> int:
        return self._session.delete(location, headers=self._headers, timeout=60).status_code

    def _check(self, called: Operation, answer: requests.Response) -> None:
        declared = called.spec["responses"].get(str(answer.status_code))
        assert declared is not None, f"{called.spec['operationId']}: {answer.status_code} {answer.text}"
        outputs = called.spec["responses"].get("200", declared) if answer.status_code == 202 else declared
        if "schema" in outputs:
            jsonschema.Draft4Validator(outputs["schema"]).validate(answer.json())


@pytest.fixture(params=[*CALLERS])
def flow(request: pytest.FixtureRequest, api: Api) -> Iterator[Platform]:
    """A maker's connection, or an application's; it may subscribe and nothing else."""
    platform = Platform(api, ["Point.Subscribe"], CALLERS[request.param])
    yield platform
    platform.close()


@pytest.fixture
def admin(api: Api) -> Iterator[Platform]:
    platform = Platform(api, ["Point.Admin"], CALLERS["delegated"])
    yield platform
    platform.close()


def check_notification(schema: Json, received: Received) -> Json:
    """Everything that arrived is in the declared schema, so a maker can pick it."""
    event: Json = json.loads(received.body)
    jsonschema.Draft4Validator(schema).validate(event)
    assert event.keys() <= schema["properties"].keys()
    assert event["content"].keys() <= schema["properties"]["content"]["properties"].keys()
    assert event["meta"].keys() <= schema["properties"]["meta"]["properties"].keys()
    return event


def check_unsubscribed(flow: Platform, location: str) -> None:
    """Once more is no error: the platform does not go on trying."""
    assert flow.unsubscribe(location) == 204
    assert flow.unsubscribe(location) == 204


def sample(admin: Platform, name: str) -> Json:
    listed = admin.call("ListEventTypes").json()["value"]
    found: Json = next(each["sample"] for each in listed if each["type"] == name)
    return found


def test_a_flow_that_starts_when_an_event_of_a_type_occurs(app: App, flow: Platform, admin: Platform) -> None:
    trigger = operation("OnEvent")
    types = flow.dropdown(trigger.parameter("eventType")["x-ms-dynamic-values"])
    chosen = types["Provisioning failed"]
    assert chosen == "ProvisioningFailed"
    schema = flow.schema(trigger.item["x-ms-notification-content"]["schema"], {"eventType": chosen})
    hook = app.receiver.hook(202, suffix="?api-version=2016-06-01&sp=%2Ftriggers%2Fx%2Frun&sv=1.0")
    location = flow.subscribe("OnEvent", hook.url, eventType=chosen)
    assert urlsplit(location)[:2] == urlsplit(app.host.url)[:2], "on the API's own host"
    unsubscribe = operation("Unsubscribe")
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", unsubscribe.path), urlsplit(location).path)
    body = {"type": chosen, "content": sample(admin, chosen), "meta": {"idempotencyKey": f"run-{location[-26:]}"}}
    admin.call("PublishEvent", body)
    event = check_notification(schema, hook.wait()[0])
    assert (event["type"], event["content"]) == (chosen, body["content"])
    assert hook.received[0].target.endswith(hook.url.partition("?")[2]), "the callback's query, byte for byte"
    check_unsubscribed(flow, location)
    later = admin.call("PublishEvent", {"type": chosen, "content": body["content"]}).json()
    deliveries = app.api.event(later["idempotencyKey"])["deliveries"]
    assert location.rpartition("/")[2] not in {each["endpointId"] for each in deliveries}


@pytest.mark.parametrize(
    ("trigger", "name"),
    [
        ("OnProvisioning", "ProvisioningCompleted"),
        ("OnSharing", "permission.granted"),
        ("OnStorage", "storage.threshold_recovered"),
    ],
)
def test_a_flow_that_starts_with_a_family(app: App, admin: Platform, api: Api, trigger: str, name: str) -> None:
    flow = Platform(api, ["Point.Subscribe"], CALLERS["delegated"])
    schema = operation(trigger).item["x-ms-notification-content"]["schema"]
    hook = app.receiver.hook()
    location = flow.subscribe(trigger, hook.url)
    other = "ProvisioningStarted" if trigger != "OnProvisioning" else "permission.revoked"
    for each in (other, name):
        admin.call("PublishEvent", {"type": each, "content": sample(admin, each)})
    assert check_notification(schema, hook.wait()[0])["type"] == name
    check_unsubscribed(flow, location)
    assert len(hook.received) == 1, "of other families nothing comes"
    flow.close()


def test_publishing_has_a_form_for_the_type(admin: Platform) -> None:
    body = operation("PublishEvent").body["properties"]
    types = admin.dropdown(body["type"]["x-ms-dynamic-values"])
    assert not [name for name in types.values() if name.startswith("webhook.")]
    for name in types.values():
        form = admin.schema(body["content"], {"type": name, "body/type": name})
        assert form["required"]
        jsonschema.Draft4Validator(form).validate(sample(admin, name))


def test_what_an_admin_does_from_a_flow(app: App, admin: Platform) -> None:
    hook = app.receiver.hook(500)
    endpoint = admin.call("RegisterEndpoint", {"endpoint": hook.url, "types": ["custom.flow"]}).json()
    publish = {"type": "custom.flow", "content": {"a": 1}, "meta": {"idempotencyKey": f"flow-{endpoint['id']}"}}
    published = admin.call("PublishEvent", publish).json()
    assert published["deliveries"] == 1

    def lines(action: str, **chosen: Any) -> list[Json]:
        """Of the event; what is noted in passing is there after some seconds."""

        def listed() -> list[Json]:
            value: list[Json] = admin.call(action, **chosen).json()["value"]
            return [each for each in value if each["idempotencyKey"] == published["idempotencyKey"]]

        return eventually(listed, bool, within=20)

    [line] = lines("ListFailedDeliveries", endpoint=endpoint["id"], top=5)
    [event] = lines("ListNewestEvents", type="custom.flow")
    assert (event["type"], event["deliveries"]) == ("custom.flow", 1)
    [newest] = lines("ListNewestDeliveries", top=100)
    assert newest == line
    assert admin.call("RetryDelivery", id=line["id"]).status_code == 202
    assert admin.call("RemoveEndpoint", id=endpoint["id"]).status_code == 204


def test_everything_it_calls_is_in_the_apis_own_description(api: Api) -> None:
    described = requests.get(f"{api.base}/openapi.json", timeout=60).json()
    paths = {re.sub(r"\{\w+\}", "{}", path): item for path, item in described["paths"].items()}
    for path, item in DEFINITION["paths"].items():
        families = path.replace("/families/" + path.partition("/families/")[2].partition("/")[0], "/families/{}")
        known = paths[re.sub(r"\{\w+\}", "{}", families)]
        for method in METHODS:
            if method in item:
                queries = {each["name"] for each in item[method]["parameters"] if each["in"] in ("query", "header")}
                declared = known[method]
                assert queries <= {each["name"] for each in declared.get("parameters", ())}
                statuses = item[method]["responses"].keys() - {"default"}
                if "202" in statuses:
                    statuses -= {"200"}  # there for the designer, which offers no outputs of 202
                assert statuses <= declared["responses"].keys()
