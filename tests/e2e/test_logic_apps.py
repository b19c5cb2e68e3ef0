"""The Logic Apps of integrations/logic-apps, checked against the running app and run against it."""

import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest
import requests
from pycep import BicepParser

from local.issuer import sign_token
from shared.formats.shortening import in_utf16

from .api import ENDPOINTS, Api, Json, custom, eventually
from .conftest import App
from .hosting import ROOT
from .workflow_language import Failed, Run

FOLDER = ROOT / "integrations" / "logic-apps"
BICEP: Any = BicepParser().parse(file_path=FOLDER / "main.bicep")
CHECKER = ROOT.parent / "shared" / "tools" / "check_bicep.py"
DEFINITIONS: dict[str, Json] = {
    file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted((FOLDER / "definitions").glob("*.json"))
}
RESOURCES = {
    resource["config"]["properties"]["definition"]["function"]["parameters"]["file_path"]: (name, resource)
    for name, resource in BICEP["resources"].items()
}
IDENTITY = "00000000-0000-4000-8000-00000000106c"
AUDIENCE = "api://tenant-hooks-local"
CLIENT_ID = "3b735b14-de6f-4cf8-adc6-da7eaccbdc31"


def roles() -> dict[str, str]:
    """The app role that main.bicep says a definition's identity needs, by definition."""
    named = {name: Path(file).stem for file, (name, _) in RESOURCES.items()}
    found = {}
    for entry in BICEP["outputs"]["roles"]["value"]:
        owner = entry["workflow"]["operator"]["operands"]["operand_1"]
        found[named[owner]] = entry["role"]
    return found


def http_calls(value: Any) -> Iterator[Json]:
    """Every request that a definition makes."""
    if isinstance(value, dict):
        if "uri" in value and "method" in value:
            yield value
        for inner in value.values():
            yield from http_calls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from http_calls(inner)


def calling_actions(value: Any) -> Iterator[Json]:
    """Every HTTP action of a definition."""
    if isinstance(value, dict):
        if value.get("type") == "Http" and "inputs" in value:
            yield value
        for inner in value.values():
            yield from calling_actions(inner)


class Azure:
    """Sends what a definition says, with a token of the workflow's identity where the definition asks for one."""

    def __init__(self, app: App, name: str) -> None:
        self.app = app
        self.parameters = {"appUrl": app.host.url, "audience": AUDIENCE}
        self.requests: list[Json] = []
        self._roles = [roles()[name]] if name in roles() else []

    def run(self, **more: Any) -> Run:
        return Run(self.parameters, self.send, datetime.fromisoformat("2026-11-22T06:00:00+00:00"), **more)

    def send(self, request: Json) -> tuple[int, Any]:
        self.requests.append(request)
        headers = dict(request.get("headers", {}))
        if "authentication" in request:
            assert request["authentication"]["type"] == "ManagedServiceIdentity"
            assert request["authentication"]["audience"] == AUDIENCE
            token = sign_token(self.app.api.key, self._roles, oid=IDENTITY, idtyp="app")
            headers["Authorization"] = f"Bearer {token}"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                request["method"], request["uri"], json=request.get("body"), headers=headers, timeout=60
            )
        return answer.status_code, answer.json() if answer.text else None


@pytest.fixture(scope="module")
def described(app: App) -> Json:
    found: Json = requests.get(f"{app.host.url}/openapi.json", timeout=60).json()
    return found


def test_every_definition_is_deployed_by_a_workflow_with_an_identity_of_its_own() -> None:
    assert {Path(file).stem for file in RESOURCES} == DEFINITIONS.keys()
    for file, (_, resource) in RESOURCES.items():
        assert resource["type"] == "Microsoft.Logic/workflows"
        config, definition = resource["config"], DEFINITIONS[Path(file).stem]
        assert config["identity"] == {"type": "SystemAssigned"}
        assert config["properties"].keys() == {"state", "definition", "parameters"}
        assert config["properties"]["parameters"].keys() == definition["parameters"].keys()
    assert BICEP["parameters"]["state"]["default"] == "Disabled", "roles come first"


def test_no_secret_is_written_down_or_shown() -> None:
    for name, parameter in BICEP["parameters"].items():
        kinds = {decorator["type"] for decorator in parameter["decorators"]}
        assert "description" in kinds, name
        assert ("secure" in kinds) is (name in ("ticketUrl", "reportUrl")), name
        assert "secure" not in kinds or parameter["default"] is None
    for definition in DEFINITIONS.values():
        for name, parameter in definition["parameters"].items():
            assert (parameter["type"] == "SecureString") is (name in ("ticketUrl", "reportUrl"))
            assert "defaultValue" not in parameter
    outputs = json.dumps(BICEP["outputs"])
    assert not re.search(r"Url|list|secret|key", outputs, re.IGNORECASE)


def test_urls_with_keys_stood_in_the_run_history() -> None:
    """A secure parameter is hidden in the definition, and shown in the inputs of the action that uses it."""
    for definition in DEFINITIONS.values():
        secure = {name for name, parameter in definition["parameters"].items() if parameter["type"] == "SecureString"}
        for action in calling_actions(definition["actions"]):
            if any(f"parameters('{name}')" in json.dumps(action["inputs"]) for name in secure):
                assert action["runtimeConfiguration"] == {"secureData": {"properties": ["inputs"]}}
                secure.clear()
        assert not secure, "each is used"


def test_the_bicep_fits_the_resource_types() -> None:
    if not CHECKER.is_file():
        pytest.skip(f"{CHECKER} is not beside this clone")
    spec = importlib.util.spec_from_file_location("check_bicep", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    checker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    found = [line for line in checker.check_file(FOLDER / "main.bicep") if ": no schema for " not in line]
    assert found == []


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_what_it_calls_is_in_the_api_and_within_its_role(described: Json, name: str) -> None:
    definition = DEFINITIONS[name]
    for call in http_calls(definition):
        if "appUrl" not in call["uri"]:
            assert call["uri"] in ("@parameters('ticketUrl')", "@parameters('reportUrl')")
            continue
        assert call["authentication"] == {
            "type": "ManagedServiceIdentity",
            "audience": "@{parameters('audience')}",
        }
        path, _, query = call["uri"].removeprefix("@{parameters('appUrl')}").partition("?")
        operation = described["paths"][path.replace("@{parameters('subscriptionKey')}", "{key}")][
            call["method"].lower()
        ]
        assert roles()[name] in operation["x-roles"]
        known = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
        assert set(re.findall(r"(?:^|&)(\w+)=", query)) <= known
        if "body" in call:
            schema = {**described, **operation["requestBody"]["content"]["application/json"]["schema"]}
            jsonschema.Draft202012Validator(schema).validate(call["body"])


def test_the_audience_is_that_of_the_apps_registration() -> None:
    value = BICEP["variables"]["audience"]["value"]
    assert re.sub(r"\$\{clientId\}", CLIENT_ID, str(value).strip("'")) == f"api://{CLIENT_ID}"


def test_the_trigger_of_tickets_takes_what_the_catalogue_says(app: App) -> None:
    [trigger] = DEFINITIONS["failed-provisioning-ticket"]["triggers"].values()
    told = app.api.call("GET", "/v1.0/webhooks/types/ProvisioningFailed/schema").json
    assert trigger["inputs"]["schema"] == told["schema"]
    assert trigger["operationOptions"] == "EnableSchemaValidation"


def test_provisioning_events_start_a_run_and_each_save_moves_the_subscription(app: App) -> None:
    name = "provisioning-events"
    azure, definition = Azure(app, name), DEFINITIONS[name]
    azure.parameters["subscriptionKey"] = str(BICEP["parameters"]["subscriptionKey"]["default"])
    [trigger] = definition["triggers"].values()
    before, after = app.receiver.hook(), app.receiver.hook(202)
    for hook in (before, after, after):
        status, subscription = azure.send(azure.run(callback_url=hook.url).value(trigger["inputs"]["subscribe"]))
        assert status in (200, 201)
    assert before.url not in {each["endpoint"] for each in app.api.call("GET", ENDPOINTS).json}
    catalogue = {each["type"]: each["sample"] for each in app.api.call("GET", "/v1.0/webhooks/types").json["value"]}
    said = []
    for count, event_type in enumerate(subscription["types"], start=1):
        app.api.publish({"type": event_type, "content": catalogue[event_type]})
        run = azure.run(trigger=json.loads(after.wait(count)[count - 1].body))
        run.act(definition["actions"])
        [text] = run.outputs.values()
        said.append(text)
    assert "was requested by" in said[0]
    assert catalogue["ProvisioningCompleted"]["url"] in said[1]
    assert catalogue["ProvisioningFailed"]["correlationId"] in said[2]
    assert before.received == []
    for _ in range(2):
        assert azure.send(azure.run().value(trigger["inputs"]["unsubscribe"])) == (204, None)
    app.api.call("GET", f"{ENDPOINTS}/{subscription['id']}", expect=404)


@pytest.mark.parametrize(("ticket_system", "answered"), [(201, 200), (503, 502)])
def test_a_failed_provisioning_becomes_a_ticket(app: App, ticket_system: int, answered: int) -> None:
    """The workflow answers what the ticket system made of it, so that a delivery is retried until there is a ticket."""
    name = "failed-provisioning-ticket"
    definition = DEFINITIONS[name]
    azure, tickets, flow = Azure(app, name), app.receiver.hook(ticket_system), app.receiver.hook()
    azure.parameters |= {"ticketUrl": tickets.url, "ticketAudience": AUDIENCE}
    endpoint = app.api.register(flow.url, "ProvisioningFailed")
    [trigger] = definition["triggers"].values()
    content = {"name": 'HR "new"', "type": "MicrosoftTeams", "error": "No licence", "correlationId": "REQ-7"}
    key = app.api.publish({"type": "ProvisioningFailed", "content": content})["idempotencyKey"]
    event = json.loads(flow.wait()[0].body)
    jsonschema.Draft7Validator(trigger["inputs"]["schema"]).validate(event)
    run = azure.run(trigger=event)
    run.act(definition["actions"])
    assert run.outputs["Response"]["statusCode"] == answered
    [ticket] = tickets.wait()
    assert ticket.headers["Idempotency-Key"] == key
    sent = json.loads(ticket.body)
    assert (sent["correlationId"], sent["title"]) == ("REQ-7", 'Provisioning of HR "new" failed')
    assert "No licence" in sent["description"]
    app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def failed_deliveries(app: App) -> tuple[list[Json], set[str]]:
    """Six, two to an endpoint: five failures in a row would open its breaker."""
    endpoints = [app.api.register(app.receiver.hook(500).url, "custom.reported") for _ in range(3)]
    known = {endpoint["id"] for endpoint in endpoints}
    app.api.publish([custom("custom.reported") for _ in range(2)])
    lines = eventually(
        lambda: [line for line in app.api.alerts() if line.get("endpointId") in known],
        lambda found: len(found) == 6,
        within=60,  # an endpoint begins with one slot, and what finds none comes back seconds later
    )
    return endpoints, {line["id"] for line in lines}


def test_the_alert_log_is_reported_page_by_page(app: App) -> None:
    name = "alert-log-report"
    text = json.dumps(DEFINITIONS[name]).replace("&top=200&", "&top=2&")
    definition = json.loads(text)
    azure, teams = Azure(app, name), app.receiver.hook(202)
    azure.parameters["reportUrl"] = teams.url
    endpoints, ids = failed_deliveries(app)
    run = azure.run()
    run.now = datetime.now(run.now.tzinfo) + timedelta(days=1)
    run.act(definition["actions"])
    expected = app.api.alerts()
    today = run.outputs["Yesterday"]["from"][:10]
    lines = run.variables["lines"]
    assert len(lines) == len([line for line in expected if line["createdAt"].startswith(today)]) >= 6
    assert all(any(each in line for line in lines) for each in ids)
    asked = [parse_qs(urlsplit(request["uri"]).query) for request in azure.requests[:-1]]
    assert len(asked) >= 3
    assert "continuation" not in asked[0]
    assert all("continuation" in query for query in asked[1:])
    assert len({json.dumps({**query, "continuation": ""}) for query in asked[1:]}) == 1
    [report] = teams.wait()
    assert "Authorization" not in report.headers, "the URL carries its own key"
    assert len(report.body) < 28 * 1024
    card = json.loads(report.body)["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["body"][0]["text"].startswith(f"Tenant Hooks: {len(lines)} failed deliveries")
    shown = card["content"]["body"][1]["items"]
    assert [block["inlines"] for block in shown] == [[{"type": "TextRun", "text": line}] for line in lines[:15]], (
        "a publisher's own type stood in a TextBlock, which reads Markdown"
    )
    for endpoint in endpoints:
        app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@pytest.mark.parametrize("reason", ["the receiver answered 500: x" * 40, "🎉" * 500, '"\\' * 500, "short"])
def test_a_report_of_many_long_reasons_is_one_that_teams_takes(reason: str) -> None:
    """Teams takes 28 KB, and counts two bytes for each UTF-16 code unit."""
    lines = [
        {"id": f"{at:012}-{'A' * 26}-{'B' * 26}", "type": "custom." + "x" * 121, "reason": reason} for at in range(40)
    ]
    lines += [{"id": f"0000-{at}", "message": "no delivery"} for at in range(3)]
    sent: list[Json] = []

    def http(request: Json) -> tuple[int, Any]:
        sent.append(request)
        return 200, {"value": lines}

    parameters = {"appUrl": "https://hooks.example", "audience": AUDIENCE, "reportUrl": "https://teams.example"}
    Run(parameters, http, datetime.now().astimezone()).act(DEFINITIONS["alert-log-report"]["actions"])
    body = json.dumps(sent[-1]["body"], ensure_ascii=False)
    assert max(len(body.encode()), 2 * in_utf16(body)) <= 28 * 1024
    shown = [item["inlines"][0]["text"] for item in sent[-1]["body"]["attachments"][0]["content"]["body"][1]["items"]]
    assert len(shown) == 15
    assert all(text.endswith(f"({line['id']})") for text, line in zip(shown, lines, strict=False))
    assert ("…" in shown[0]) is (len(reason) > 200)


def test_nothing_is_reported_of_a_day_without_failures(app: App) -> None:
    azure, teams = Azure(app, "alert-log-report"), app.receiver.hook()
    azure.parameters["reportUrl"] = teams.url
    run = azure.run()
    run.now = datetime.now(run.now.tzinfo) - timedelta(days=3)
    run.act(DEFINITIONS["alert-log-report"]["actions"])
    assert run.variables["lines"] == []
    assert len(azure.requests) == 1
    assert teams.received == []


def test_a_report_that_may_not_read_fails_instead_of_reporting_nothing(app: App) -> None:
    azure = Azure(app, "failed-provisioning-ticket")  # an identity without the role
    azure.parameters["reportUrl"] = "http://127.0.0.1:9/"
    with pytest.raises(Failed):
        azure.run().act(DEFINITIONS["alert-log-report"]["actions"])


@pytest.mark.parametrize(("percent", "cards"), [(89, 0), (90, 1), (94, 1)])
def test_a_site_at_90_percent_becomes_a_card(app: App, percent: int, cards: int) -> None:
    """The flow of docs/power-platform.md, from the subscription to the card."""
    name = "storage-card"
    azure, definition = Azure(app, name), DEFINITIONS[name]
    azure.parameters["subscriptionKey"] = f"storage-card-{percent}"
    teams, flow = app.receiver.hook(202), app.receiver.hook(202)
    azure.parameters["reportUrl"] = teams.url
    [trigger] = definition["triggers"].values()
    azure.send(azure.run(callback_url=flow.url).value(trigger["inputs"]["subscribe"]))
    quota = 25 * 2**40
    site = {"siteUrl": "https://contoso.sharepoint.com/sites/hr", "quota": quota, "threshold": 75}
    content = {**site, "currentUsage": -(-quota * percent // 100)}
    app.api.publish({"type": "storage.threshold_exceeded", "content": content})
    run = azure.run(trigger=json.loads(flow.wait()[0].body))
    run.act(definition["actions"])
    assert len(teams.received) == cards
    for card in teams.received:
        heading, where, _ = json.loads(card.body)["attachments"][0]["content"]["body"]
        assert heading["text"] == f"A site uses {percent} percent of its storage"
        assert where["inlines"][0]["text"] == site["siteUrl"]
    assert azure.send(azure.run().value(trigger["inputs"]["unsubscribe"])) == (204, None)


def test_a_caller_that_is_not_the_workflow_cannot_end_its_subscription(app: App, api: Api) -> None:
    azure = Azure(app, "provisioning-events")
    azure.parameters["subscriptionKey"] = "guarded"
    [trigger] = DEFINITIONS["provisioning-events"]["triggers"].values()
    hook = app.receiver.hook()
    _, subscription = azure.send(azure.run(callback_url=hook.url).value(trigger["inputs"]["subscribe"]))
    with closing(Api(app.host.url, app.api.key)) as other:
        other.call("DELETE", "/v1.0/webhooks/subscriptions/guarded", roles=["Point.Subscribe"], expect=204)
    assert api.call("GET", f"{ENDPOINTS}/{subscription['id']}").json["key"] == "guarded"
    azure.send(azure.run().value(trigger["inputs"]["unsubscribe"]))
