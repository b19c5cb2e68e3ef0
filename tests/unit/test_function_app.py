"""The table of contents, as the host reads it."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from shared import app as app_module
from shared import settings as settings_module
from shared.api.http.auth import Role
from shared.model.setting_names import BACKGROUND
from shared.settings import unread_settings

ROOT = Path(__file__).parents[2]
HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def functions() -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Every function's bindings, by its name."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
        environment.setenv("SECRETS_KEY", Fernet.generate_key().decode())
        environment.setenv("ENTRA_TENANT_ID", "235ec2cb-0767-40b3-a1de-4da2c42b19e9")
        environment.setenv("SHARING_POLL_SCHEDULE", "0 */5 * * * *")
        environment.syspath_prepend(str(ROOT))
        settings_module.settings.cache_clear()
        app_module.get_app.cache_clear()
        environment.delitem(sys.modules, "function_app", raising=False)
        module = importlib.import_module("function_app")
        found = {each.get_function_name(): each.get_dict_repr()["bindings"] for each in module.app.get_functions()}
        yield found
        sys.modules.pop("function_app", None)
    settings_module.settings.cache_clear()
    app_module.get_app.cache_clear()


def http_triggers(functions: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {name: bindings[0] for name, bindings in functions.items() if bindings[0]["type"] == "httpTrigger"}


def test_the_catch_all_comes_last_by_name(functions: dict[str, list[dict[str, Any]]]) -> None:
    by_name = sorted(http_triggers(functions))
    assert http_triggers(functions)[by_name[-1]]["route"] == "{*path}"


def test_a_slip_in_the_name_of_any_function_that_can_be_paused_is_found(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    assert set(BACKGROUND) == functions.keys() - http_triggers(functions).keys()
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in functions}
    assert unread_settings(disabled) == {}


def test_the_token_is_the_key_to_every_http_function(functions: dict[str, list[dict[str, Any]]]) -> None:
    assert {str(each["authLevel"]) for each in http_triggers(functions).values()} == {"ANONYMOUS"}


def test_whoever_has_a_role_may_ask_who_it_is(functions: dict[str, list[dict[str, Any]]]) -> None:
    """The console asks first, whatever the role is."""
    assert "me_get" in functions
    [route] = [each for each in sys.modules["function_app"].http.declared if each.name == "me_get"]
    assert set(route.roles) == set(Role)


def test_no_two_functions_take_the_same_method_and_path(functions: dict[str, list[dict[str, Any]]]) -> None:
    taken = [
        (str(method), trigger["route"].lower())
        for trigger in http_triggers(functions).values()
        for method in trigger.get("methods", ["any"])
    ]
    assert len(set(taken)) == len(taken)


def test_each_queue_is_read_through_the_apps_connection(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    triggers = {name: bindings[0] for name, bindings in functions.items() if bindings[0]["type"] == "queueTrigger"}
    assert {name: each["queueName"] for name, each in triggers.items()} == {
        "dispatch": "deliveries",
        "exhausted": "deliveries-poison",
        "provision": "provisioning",
        "provision_interrupted": "provisioning-poison",
    }
    assert {each["connection"] for each in triggers.values()} == {"AzureWebJobsStorage"}


def test_the_sweep_runs_every_four_minutes(functions: dict[str, list[dict[str, Any]]]) -> None:
    """A period that does not divide the ten minutes of a lease: see unit/delivery/test_sweep_in_time.py."""
    assert functions["sweep"][0]["schedule"] == "0 */4 * * * *"


def test_the_scan_runs_as_the_settings_say_and_the_sample_says_when(
    functions: dict[str, list[dict[str, Any]]],
) -> None:
    assert functions["scan_storage"][0]["schedule"] == "%STORAGE_SCAN_SCHEDULE%"
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))
    assert sample["Values"]["STORAGE_SCAN_SCHEDULE"] == "0 20 */6 * * *"


def test_sharing_is_polled_as_the_settings_say(functions: dict[str, list[dict[str, Any]]]) -> None:
    assert functions["poll_sharing"][0]["schedule"] == "%SHARING_POLL_SCHEDULE%"


def test_the_host_is_configured_for_the_queue_that_we_promise() -> None:
    queues = HOST["extensions"]["queues"]
    assert HOST["extensions"]["http"]["routePrefix"] == ""
    assert (queues["maxDequeueCount"], queues["visibilityTimeout"]) == (10, "00:01:00")
    assert queues["messageEncoding"] == "none"
    assert queues["maxPollingInterval"] <= "00:00:02"
