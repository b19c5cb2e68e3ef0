"""Parameters: those of main.bicep are those of the azd environment, and their defaults and bounds are the app's own."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from local.appsettings import read_values
from shared.api.events import MOST_BODY_BYTES
from shared.settings import Settings, read_settings
from shared.storage.queues import DELIVERIES, POISON
from shared.storage.workspaces import PROVISIONING, PROVISIONING_POISON

from . import triggers
from .bicep import (
    INFRA,
    MAIN,
    ROOT,
    Node,
    at,
    deployed,
    files,
    literal,
    members,
    names,
    written,
)
from .invariants import PLATFORM_SETTINGS, app_settings

FILES = files(deployed())
PARAMETERS = {param.name: param for param in FILES[MAIN].all("param")}
FROM_AZD: dict[str, dict[str, Any]] = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
FIELDS = {field.alias: field for field in Settings.model_fields.values()}

KNOWN_ONLY_ON_AZURE = {
    "identity.properties.clientId": "cfa9e4d1-8fd1-4d7b-9d3c-9f5e7b1c2a30",
    "account.properties.primaryEndpoints.blob": "https://st0.blob.core.windows.net/",
    "account.properties.primaryEndpoints.queue": "https://st0.queue.core.windows.net/",
    "account.properties.primaryEndpoints.table": "https://st0.table.core.windows.net/",
    "entraTenantId": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    "entraClientId": "3b735b14-de6f-4cf8-adc6-da7eaccbdc31",
    "tokenAudiences": "",
    "watchSharing ? '0 */5 * * * *' : ''": "",
    "empty(entraCloud) ? cloudsOfMicrosoft365[environment().name] : entraCloud": "global",
}
A_KEY = "QqHhJ0fVw9nYw2mXz1n1r9o5m3b7c6d8e4f2a1b0c9k="


def fields_of(name: str) -> tuple[str, str]:
    """The name in the azd environment and the default that main.parameters.json gives it."""
    found = re.fullmatch(r"\$\{([A-Z][A-Z0-9_]*)(?:=([^}]+))?\}", FROM_AZD[name]["value"])
    assert found is not None, f"{name}: {FROM_AZD[name]['value']} is not ${{NAME}} or ${{NAME=default}}"
    return found[1], found[2] or ""


def test_each_parameter_comes_from_the_azd_environment_by_a_name_of_its_own() -> None:
    assert FROM_AZD.keys() == PARAMETERS.keys()
    assert len({fields_of(name)[0] for name in FROM_AZD}) == len(FROM_AZD)


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_is_not_set_has_the_default_of_the_bicep_file(name: str) -> None:
    """azd turns an empty text into Bicep's default for numbers and truth values, but passes it on for a string."""
    default = literal(PARAMETERS[name].value)
    assert fields_of(name)[1] == (default if isinstance(default, str) else "")


def test_only_the_name_and_the_place_must_be_given() -> None:
    assert {name for name, param in PARAMETERS.items() if param.value is None} == {"environmentName", "location"}


def test_no_output_becomes_a_parameter_of_the_next_deployment_unseen() -> None:
    """azd writes outputs into the same environment that it reads parameters from."""
    outputs = {output.name for output in FILES[MAIN].all("output")}
    assert outputs & {fields_of(name)[0] for name in FROM_AZD} == {"AZURE_RESOURCE_GROUP"}


def value_of(setting: Node, text: str) -> str:
    """What a setting is in a deployment with defaults only."""
    if written(setting, text) in KNOWN_ONLY_ON_AZURE:
        return KNOWN_ONLY_ON_AZURE[written(setting, text)]
    if written(setting, text).startswith("'@Microsoft.KeyVault("):
        return A_KEY
    [name] = {used[0] for used in names(setting)} or {""}
    default = literal(PARAMETERS[name].value) if name in PARAMETERS else literal(setting)
    assert default is not None, f"{written(setting, text)}: teach this test what it is"
    return str(default)  # of truth values, too, as Resource Manager writes them: True, False


def environment() -> dict[str, str]:
    settings = app_settings(FILES).items()
    return {
        name: value_of(value, file.text)
        for name, (value, file) in settings
        if not name.startswith("APPLICATIONINSIGHTS_")
    }


def test_the_defaults_that_are_deployed_are_the_apps_own() -> None:
    least = {"AzureWebJobsStorage", "SECRETS_KEY", "AZURE_CLIENT_ID", "ENTRA_TENANT_ID", "ENTRA_CLIENT_ID"}
    least.add("STORAGE_SCAN_SCHEDULE")  # it has no default
    required = {name: value for name, value in environment().items() if name.partition("__")[0] in least}
    assert read_settings(environment()) == read_settings(required)
    assert read_settings(environment()).entra_client_id == KNOWN_ONLY_ON_AZURE["entraClientId"]


def test_a_default_that_differs_would_be_seen() -> None:
    assert read_settings(environment() | {"RETENTION_DAYS": "31"}) != read_settings(environment())


BOUNDED = [
    (setting, name)
    for setting, (value, _) in app_settings(FILES).items()
    for name in {used[0] for used in names(value)}
    if name in PARAMETERS and PARAMETERS[name].type == "int" and setting in FIELDS
]


UNITS = {"SECONDS": timedelta(seconds=1), "HOURS": timedelta(hours=1), "DAYS": timedelta(days=1)}


def bound(setting: str, which: str) -> int | None:
    """A duration in the unit that the setting is named for."""
    limits = [getattr(each, which) for each in FIELDS[setting].metadata if hasattr(each, which)]
    unit = UNITS.get(setting.rpartition("_")[2], timedelta(seconds=1))
    return next((x // unit if isinstance(x, timedelta) else int(x) for x in limits), None)


@pytest.mark.parametrize(("setting", "name"), BOUNDED)
def test_a_number_that_the_app_would_refuse_cannot_be_deployed(setting: str, name: str) -> None:
    decorators = PARAMETERS[name].decorators
    limits = {which: bound(setting, which) for which in ("ge", "le")}
    assert limits == {"ge": int(decorators["minValue"]), "le": int(decorators["maxValue"])}
    assert None not in limits.values()


def test_every_bounded_setting_is_compared() -> None:
    assert {"DEDUPE_HOURS", "RETENTION_DAYS", "DISABLE_AFTER_HOURS", "BREAKER_GRACE_SECONDS"} <= {s for s, _ in BOUNDED}


def test_the_queues_are_those_of_the_app() -> None:
    made = FILES["modules/storage.bicep"].resources("Microsoft.Storage/storageAccounts/queueServices/queues")
    assert {literal(at(queue.object, "name")) for queue in made} == {
        DELIVERIES,
        POISON,
        PROVISIONING,
        PROVISIONING_POISON,
    }


def test_the_functions_that_the_deployment_names_exist() -> None:
    named = set(re.findall(r"'function:(\w+)'", FILES["modules/app.bicep"].text))
    named |= {name.split(".")[1] for name in PLATFORM_SETTINGS if name.endswith(".Disabled")}
    assert named == {"dispatch", "scan_storage"}
    assert named <= triggers.names()


def test_there_is_a_thread_for_each_request_and_some_for_the_rest() -> None:
    """Deliveries need none: they run on the loop."""
    threads = int(environment()["PYTHON_THREADPOOL_THREAD_COUNT"])
    assert threads >= 32
    assert int(PARAMETERS["httpConcurrency"].decorators["maxValue"]) <= threads


def test_bodies_are_bounded_before_the_app_and_above_what_it_takes() -> None:
    """Whoever could reach the address could fill an instance's memory: the platform's own limit is 100 MiB."""
    limit = environment()["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]
    assert MOST_BODY_BYTES < int(limit) <= 2 * 2**20
    assert read_values(ROOT, sample=True)["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"] == limit


def test_easy_auth_leaves_open_what_the_app_leaves_open() -> None:
    excluded = at(FILES["modules/app.bicep"].one("authentication").object, "properties.globalValidation.excludedPaths")
    assert excluded is not None
    assert {literal(path) for path in excluded.children if path} == triggers.open_paths()  # type: ignore[arg-type]


def test_easy_auth_can_be_switched_off_again() -> None:
    """A resource that is left out of a deployment stays as an earlier one made it."""
    authentication = FILES["modules/app.bicep"].one("authentication")
    enabled = at(authentication.object, "properties.platform.enabled")
    assert enabled is not None
    assert written(enabled, FILES["modules/app.bicep"].text) == "easyAuth"
    assert "authsettingsV2" in FILES["modules/app.bicep"].text
    assert "= if (easyAuth)" not in FILES["modules/app.bicep"].text


def test_the_site_is_found_by_azd() -> None:
    tags = at(FILES["modules/app.bicep"].one("app").object, "tags")
    assert tags is not None
    assert literal(members(tags)["azd-service-name"]) == "api"
