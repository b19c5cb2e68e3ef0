"""integrations/powershell against the API's description: what it calls is there, and nothing that it takes is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

Json = dict[str, Any]
FOLDER = Path(__file__).parents[3] / "integrations" / "powershell"
MODULE = (FOLDER / "TenantHooks.psm1").read_text("utf-8")
README = (FOLDER / "README.md").read_text("utf-8")
FUNCTIONS = {
    name: (help_, body)
    for help_, name, body in re.findall(
        r"^<#\n(.*?)^#>\nfunction (\S+) \{\n(.*?)^\}$", MODULE, re.MULTILINE | re.DOTALL
    )
}
CALLS = [
    (name, *call)
    for name, (_, body) in FUNCTIONS.items()
    for call in re.findall(r"Invoke-Api (\w+) [\"'](/.*?)[\"'](?=[ )]|$)", body, re.MULTILINE)
]


def operation(described: Json, method: str, path: str) -> Json:
    """The operation of a path in which variables stand."""
    plain = re.sub(r"\$\((?:Get-Query) .*?\)$|\$query$", "", path)
    segments = re.sub(r"\$\(.*\)|\$\w+", "*", plain)
    for template, methods in described["paths"].items():
        if re.sub(r"\{\w+\}", "*", template) == segments and method.lower() in methods:
            found: Json = methods[method.lower()]
            return found
    raise AssertionError(f"{method} {path} is no operation")


def values(name: str, parameter: str) -> list[str]:
    """Of the ValidateSet above a parameter."""
    [found] = re.findall(rf"\[ValidateSet\((.*?)\)\]\s+\[string(?:\[\])?\] \${parameter}\b", FUNCTIONS[name][1])
    return re.findall(r"'([^']+)'", found)


def fields(name: str) -> set[str]:
    """What a function takes from its parameters into a body."""
    body = FUNCTIONS[name][1]
    literal = re.search(r"\$body = \[ordered\]@\{ (.*) \}", body)
    if literal:
        return {*re.findall(r"(\w+) = ", literal[1]), *re.findall(r"\$body\.(\w+) = ", body)}
    named = re.search(r"\$names = (.*)$", body, re.MULTILINE) or re.search(
        r"Get-Body \$PSBoundParameters @\((.*)\)", body
    )
    assert named
    return {each[0].lower() + each[1:] for each in re.findall(r"'(\w+)'", named[1])}


def optional_from_pipeline(name: str) -> set[str]:
    """The parameters that one object of a pipeline may have, and the next may not."""
    found, told = set(), ""
    for attributes, variable in re.findall(r"\[Parameter\((.*?)\)\]|\$(\w+)", FUNCTIONS[name][1]):
        if variable and "ValueFromPipeline" in told and "Mandatory" not in told:
            found.add(variable)
        told = "" if variable else told + attributes
    return found


def test_every_function_is_exported_explained_and_listed() -> None:
    manifest = (FOLDER / "TenantHooks.psd1").read_text("utf-8")
    [exported] = re.findall(r"FunctionsToExport = @\((.*?)\)", manifest, re.DOTALL)
    assert re.findall(r"'([\w-]+)'", exported) == list(FUNCTIONS)
    assert re.findall(r"^function (\S+-TenantHooks\S*)", MODULE, re.MULTILINE) == list(FUNCTIONS)
    listed = README.partition("| function | does |")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+-TenantHooks\w*)`", listed) == list(FUNCTIONS)
    for name, (help_, body) in FUNCTIONS.items():
        assert ".SYNOPSIS\n" in help_, name
        assert ".EXAMPLE\n" in help_, name
        explained = set(re.findall(r"^\.PARAMETER (\w+)", help_, re.MULTILINE))
        assert explained <= set(re.findall(r"\$(\w+)", body)), name


@pytest.mark.parametrize(("name", "method", "path"), CALLS, ids=lambda value: str(value))
def test_a_call_is_in_the_api(name: str, method: str, path: str, described: Json) -> None:
    found = operation(described, method, path)
    changes = method != "Get"
    body = FUNCTIONS[name][1]
    assert ("SupportsShouldProcess" in body) is changes
    assert (".ShouldProcess(" in body) is changes
    [row] = [line for line in README.splitlines() if line.startswith("|") and f"`{name}`" in line]
    roles = set(re.findall(r"Point\.\w+", row))
    expected = set(found.get("x-roles", ()))
    assert roles in (expected, expected - {"Point.Admin"})


def test_every_function_but_the_connection_calls_the_api() -> None:
    assert {name for name, _, _ in CALLS} | {"Connect-TenantHooks", "Disconnect-TenantHooks"} == FUNCTIONS.keys()
    assert len(CALLS) == sum(body.count("Invoke-Api ") for _, body in FUNCTIONS.values())


def test_bodies_have_the_fields_of_the_api(described: Json) -> None:
    schemas = described["components"]["schemas"]
    assert fields("Register-TenantHooksEndpoint") == schemas["Registration"]["properties"].keys()
    assert fields("Set-TenantHooksEndpoint") == schemas["EndpointChanges"]["properties"].keys()
    assert set(values("Set-TenantHooksEndpoint", "Clear")) == schemas["EndpointChanges"]["properties"].keys()
    assert fields("Test-TenantHooksEndpoint") == schemas["TestRequest"]["properties"].keys()
    assert fields("Publish-TenantHooksEvent") == schemas["EventBody"]["properties"].keys()
    assert fields("Set-TenantHooksThreshold") == schemas["ThresholdsBody"]["properties"].keys()


def test_no_object_of_a_pipeline_takes_values_over_from_the_one_before() -> None:
    """$PSBoundParameters keeps them (github.com/PowerShell/PowerShell/issues/20137): an event without a severity, a
    tenant or a time had those of an earlier one."""
    assert optional_from_pipeline("Publish-TenantHooksEvent") == {"IdempotencyKey", "TimeStamp", "Severity", "Tenant"}
    for name, (_, body) in FUNCTIONS.items():
        read = re.findall(r"\$PSBoundParameters(?:\.ContainsKey\(| @\()(.*?)\)|\$names = (.*)", body)
        named = {each for found in read for each in re.findall(r"'(\w+)'", " ".join(found))}
        assert not named & optional_from_pipeline(name), name


def test_choices_are_those_of_the_api(described: Json) -> None:
    schemas = described["components"]["schemas"]
    for name in ("Register-TenantHooksEndpoint", "Set-TenantHooksEndpoint"):
        assert values(name, "Format") == schemas["WireFormat"]["enum"]
        assert values(name, "MinSeverity") == schemas["Severity"]["enum"]
    assert values("Publish-TenantHooksEvent", "Severity") == schemas["Severity"]["enum"]
    assert values("Get-TenantHooksDelivery", "Status") == schemas["DeliveryStatus"]["enum"]
    replayed = json.dumps(schemas["ReplayRequest"]["properties"]["status"])
    assert all(f'"{value}"' in replayed for value in values("Invoke-TenantHooksReplay", "Status"))


def test_queries_have_the_parameters_of_the_api(described: Json) -> None:
    for name, path in (
        ("Get-TenantHooksEvent", "/v1.0/events"),
        ("Get-TenantHooksDelivery", "/v1.0/webhooks/deliveries"),
        ("Get-TenantHooksDelivery", "/v1.0/webhooks/newest-deliveries"),
        ("Get-TenantHooksSite", "/v1.0/storage/sites"),
        ("Get-TenantHooksEventType", "/v1.0/webhooks/types"),
    ):
        body = FUNCTIONS[name][1]
        used = set(re.findall(r"\$query\.(\w+) = ", body))
        for literal in re.findall(r"@\{ (.*?) \}", body):
            used |= set(re.findall(r"(?:^|; )(\w+) = ", literal))
        known = {each["name"] for each in described["paths"][path]["get"].get("parameters", ())}
        assert used == known, name
