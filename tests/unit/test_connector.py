"""The Power Platform connector: made from the API as it is now, and by the rules of the platform."""

import importlib
import json
import re
import struct
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator

from integrations.connector.definition import FILE, HOST, definition, text
from shared.api.http.auth import Role

Json = dict[str, Any]

MADE = json.loads(FILE.read_text(encoding="utf-8"))
README = (FILE.parent / "README.md").read_text(encoding="utf-8")
PROPERTIES = json.loads((FILE.parent / "apiProperties.json").read_text(encoding="utf-8"))["properties"]
OPERATIONS: dict[str, tuple[str, str, Json]] = {
    operation["operationId"]: (method, path, operation)
    for path, item in MADE["paths"].items()
    for method, operation in item.items()
    if method in ("get", "post", "put", "patch", "delete")
}
TRIGGERS = {name for name, (_, _, operation) in OPERATIONS.items() if "x-ms-trigger" in operation}
INTERNAL = {"Unsubscribe", "ListEventTypes", "GetEventSchema"}
ACTIONS = {
    *("PublishEvent", "ListNewestEvents", "ListNewestDeliveries", "ListFailedDeliveries", "RetryDelivery"),
    *("RegisterEndpoint", "RemoveEndpoint"),
    *("ProvisionTeam", "ProvisionGroup", "ProvisionSite", "GetWorkspaceRequest"),
}
SUMMARY = re.compile(r"([A-Z][A-Za-z0-9]*|\(ms\))( ([A-Z][A-Za-z0-9]*|\(ms\)))*")


def fields(schema: Json, path: str = "") -> Iterator[tuple[str, Json, bool]]:
    """Every property within a schema, with whether it is required."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}/{name}", field, name in schema.get("required", ())
        yield from fields(field, f"{path}/{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


def body_of(operation: Json) -> Json | None:
    return next((each["schema"] for each in operation["parameters"] if each["in"] == "body"), None)


def everything(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from everything(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from everything(inner)


def test_the_committed_definition_is_what_the_api_is_now() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run: python -m integrations.connector"
    assert definition() == MADE


def test_it_is_valid_openapi_2() -> None:
    OpenAPIV2SpecValidator(MADE).validate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports what jsonschema will drop one day
        validator20 = importlib.import_module("swagger_spec_validator.validator20")
        validator20.validate_spec(MADE)


def test_it_has_the_operations_that_makers_ask_for_and_no_others() -> None:
    assert {"OnEvent", "OnProvisioning", "OnSharing", "OnStorage"} == TRIGGERS
    assert OPERATIONS.keys() == TRIGGERS | ACTIONS | INTERNAL
    for name, (_, _, operation) in OPERATIONS.items():
        assert (operation.get("x-ms-visibility") == "internal") is (name in INTERNAL)


def test_operations_are_named_for_people() -> None:
    for name, (_, _, operation) in OPERATIONS.items():
        summary, description = operation["summary"], operation["description"]
        assert re.fullmatch(r"([A-Z][a-z]+)+", name)
        assert len(summary) <= 80
        assert summary[0].isupper()
        assert not summary.endswith(".")
        assert description.endswith(".")
        assert description.rstrip(".") != summary
    summaries = [operation["summary"] for _, _, operation in OPERATIONS.values()]
    assert len(set(summaries)) == len(summaries)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_fields_are_named_and_shown_by_the_rules(name: str) -> None:
    _, path, operation = OPERATIONS[name]
    asked = [
        (each["name"], each, each.get("required", False)) for each in operation["parameters"] if each["in"] != "body"
    ]
    asked += fields(body_of(operation) or {})
    for field_name, field, required in asked:
        assert SUMMARY.fullmatch(field["x-ms-summary"]), field_name
        assert field["description"], field_name
        assert field.get("x-ms-visibility", "important") in ("important", "advanced", "internal")
        if field.get("x-ms-visibility") == "internal":
            assert not required or "default" in field or field.get("x-ms-notification-url"), field_name
    in_path = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
    assert in_path == re.findall(r"\{(\w+)\}", path)
    for each in operation["parameters"]:
        assert each["in"] != "path" or each["x-ms-url-encoding"] == "single"
    for answer in operation["responses"].values():
        for field_name, field, _ in fields(answer.get("schema", {})):
            assert SUMMARY.fullmatch(field["x-ms-summary"]), field_name
            assert field["type"] != "array" or "items" in field


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_a_trigger_is_a_webhook_by_the_rules(name: str) -> None:
    method, path, operation = OPERATIONS[name]
    assert (method, operation["x-ms-trigger"]) == ("post", "single")
    assert operation["x-ms-trigger-hint"]
    assert "201" in operation["responses"]
    assert not {"200", "202", "204"} & operation["responses"].keys()
    notified = MADE["paths"][path]["x-ms-notification-content"]
    assert notified.keys() == {"description", "schema"}, "beside `post`, not in it"
    schema = body_of(operation)
    assert schema is not None
    marked = [(at, field) for at, field, _ in fields(schema) if "x-ms-notification-url" in field]
    [(at, field)] = marked
    assert (at, field["x-ms-notification-url"], field["x-ms-visibility"]) == ("/callbackUrl", True, "internal")
    assert "callbackUrl" in schema["required"]
    shown = notified["schema"]
    assert "x-ms-dynamic-schema" in shown or shown["required"] == ["type", "content", "meta"]
    for field_name, inner, _ in fields(shown):
        assert inner["x-ms-summary"] == inner["title"], field_name


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_answers_have_schemas_by_the_rules(name: str) -> None:
    """Power Platform's published rules: none on `default`, one in all, and on 200 or 201, whose outputs are offered."""
    responses = OPERATIONS[name][2]["responses"]
    with_schema = [status for status, response in responses.items() if "schema" in response]
    assert "default" in responses
    assert with_schema in ([], ["200"], ["201"])
    assert bool(with_schema) is (name not in TRIGGERS | {"Unsubscribe", "RemoveEndpoint"})


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("PublishEvent", {"idempotencyKey", "deliveries", "duplicate"}),
        ("RetryDelivery", {"id", "status"}),
        ("ProvisionTeam", {"requestId", "status", "statusUrl"}),
    ],
)
def test_what_is_only_accepted_has_outputs_too(name: str, outputs: set[str]) -> None:
    responses = OPERATIONS[name][2]["responses"]
    assert "202" in responses, "what the API answers"
    assert responses["200"]["schema"]["properties"].keys() == outputs


def test_what_unsubscribes_is_in_the_definition_and_unseen() -> None:
    method, path, operation = OPERATIONS["Unsubscribe"]
    assert (method, path) == ("delete", "/v1.0/webhooks/subscriptions/{key}")
    assert operation["x-ms-visibility"] == "internal"
    assert [each["in"] for each in operation["parameters"]] == ["path"], "it comes with the connection and nothing else"


def test_dynamic_extensions_lead_to_operations_that_answer_them() -> None:
    found = 0
    for _, _, operation in OPERATIONS.values():
        item = next(item for item in MADE["paths"].values() if operation in item.values())
        names = {each["name"] for each in operation["parameters"]}
        names |= {at.lstrip("/") for at, _, _ in fields(body_of(operation) or {})}
        for holder in everything([operation, item.get("x-ms-notification-content", {})]):
            for extension in ("x-ms-dynamic-values", "x-ms-dynamic-schema", "x-ms-dynamic-properties"):
                if extension in holder:
                    found += 1
                    check_dynamic(holder[extension], names)
    assert found == 9


def test_lists_have_filters_to_fill_in_and_the_rest_behind_show_advanced() -> None:
    def parameters(name: str) -> list[Json]:
        found: list[Json] = OPERATIONS[name][2]["parameters"]
        return found

    def shown(name: str) -> dict[str, str]:
        return {each["name"]: each.get("x-ms-visibility", "") for each in parameters(name)}

    filters, rest = dict.fromkeys(("type", "from", "to"), ""), dict.fromkeys(("continuation", "top"), "advanced")
    assert shown("ListNewestEvents") == filters | rest
    assert shown("ListNewestDeliveries") == filters | rest | {"status": "", "endpoint": "advanced"}
    assert shown("ListFailedDeliveries") == filters | rest | {"status": "internal", "endpoint": "advanced"}
    statuses = {name: each["enum"] for name in OPERATIONS for each in parameters(name) if each["name"] == "status"}
    assert statuses == {
        "ListFailedDeliveries": ["failed"],
        "ListNewestDeliveries": ["pending", "delivered", "failed", "cancelled"],
    }


def test_a_list_is_read_page_by_page() -> None:
    def page(name: str) -> Json:
        found: Json = OPERATIONS[name][2]["responses"]["200"]["schema"]["properties"]
        return found

    newest = page("ListNewestDeliveries")
    assert page("ListNewestEvents").keys() == newest.keys() == {"value", "continuation"}
    assert page("ListFailedDeliveries").keys() == newest.keys()
    asked = {"id", "endpointId", "endpointName", "host", "type", "idempotencyKey", "status", "createdAt", "attempts"}
    assert asked <= newest["value"]["items"]["properties"].keys()
    assert "message" not in newest["value"]["items"]["properties"], "what could not be read is in the alert log alone"


def check_dynamic(extension: Json, names: set[str]) -> None:
    _, _, called = OPERATIONS[extension["operationId"]]
    taken = {each["name"]: each for each in called["parameters"]}
    assert {name for name, each in taken.items() if each["required"]} <= extension["parameters"].keys() <= taken.keys()
    for reference in extension["parameters"].values():
        if isinstance(reference, dict):
            [(kind, name)] = reference.items()
            assert name.removeprefix("body/") in names
            assert kind in ("parameter", "parameterReference")
    answer = called["responses"]["200"]["schema"]["properties"]
    if "value-collection" in extension:
        entry = answer[extension["value-collection"]]["items"]["properties"]
        assert {extension["value-path"], extension["value-title"]} <= entry.keys()
    else:
        assert extension.get("value-path", extension.get("itemValuePath")) in answer


def test_designers_are_spared_what_they_do_not_read() -> None:
    for value in everything(MADE):
        assert not value.keys() & {"anyOf", "oneOf", "const", "nullable", "$defs", "prefixItems", "examples"}
        assert value.get("required") != []
        assert "$ref" not in value
        assert value.get("type") != "null"
        assert value.get("default", "") is not None


def test_a_connection_is_of_entra_to_the_customers_own_host() -> None:
    parameters = PROPERTIES["connectionParameters"]
    settings = parameters["token"]["oAuthSettings"]
    assert (parameters["token"]["type"], settings["identityProvider"]) == ("oauthSetting", "aad")
    assert settings["redirectMode"] == "GlobalPerConnector"
    assert {"loginUri", "tenantId", "resourceUri"} <= settings["customParameters"].keys()
    assert settings["customParameters"]["resourceUri"]["value"] == "api://<client-id>"
    assert settings["clientId"] == "<connector-client-id>", "a placeholder: every customer has its own"
    [policy] = PROPERTIES["policyTemplateInstances"]
    assert policy["templateId"] == "dynamichosturl"
    assert policy["parameters"] == {"x-ms-apimTemplateParameter.urlTemplate": "https://@connectionParameters('host')"}
    assert parameters["host"]["uiDefinition"]["constraints"]["required"] == "true"
    assert re.fullmatch(r"#[0-9A-F]{6}", PROPERTIES["iconBrandColor"])
    assert (MADE["host"], MADE["basePath"], MADE["schemes"]) == (HOST, "/", ["https"])
    assert not any("secret" in key.lower() for value in everything(PROPERTIES) for key in value)


def test_the_icon_is_a_small_square_without_transparency() -> None:
    icon = (FILE.parent / "icon.png").read_bytes()
    assert icon.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, _, color = struct.unpack(">IIBB", icon[16:26])
    assert (width, height, color) == (230, 230, 2), "color type 2 has no alpha channel"
    assert len(icon) < 1024 * 1024


def test_the_command_of_the_readme_fills_in_the_whole_connection() -> None:
    shipped = (FILE.parent / "apiProperties.json").read_text(encoding="utf-8")
    [command] = re.findall(r"^sed .*?> my\.apiProperties\.json$", README, re.MULTILINE | re.DOTALL)
    replaced = re.findall(r'-e "s/(<[a-z-]+>)/.*?/(g?)"', command)
    assert {name for name, _ in replaced} == set(re.findall(r"<[a-z-]+>", shipped))
    # Without `g`, sed replaces one of a line.
    assert all(flag or line.count(name) <= 1 for name, flag in replaced for line in shipped.splitlines())
    assert "--api-prop my.apiProperties.json" in README


def test_the_readme_names_every_operation_and_role() -> None:
    for name in TRIGGERS | ACTIONS:
        assert OPERATIONS[name][2]["summary"] in README, name
    assert all(role in README for role in Role)
