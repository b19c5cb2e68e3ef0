"""Event types, their contents and samples."""

import json
import re
from typing import Any

import pytest

from shared.model.catalogue import CATALOGUE, EventType, content_errors, default_severity, publish_problem, type_problem

ALL = list(CATALOGUE.values())
OF_THE_VENDORS = {
    "ProvisioningStarted": {"name", "type", "requestedOn", "requesterId"},
    "ProvisioningCompleted": {"name", "type", "url", "microsoftId"},
    "ProvisioningFailed": {"name", "type", "error", "correlationId"},
    "permission.external_share_created": {"siteUrl", "resourcePath", "permissionType", "principal", "accessLevel"},
    "storage.threshold_exceeded": {"siteUrl", "currentUsage", "quota"},
}
each_type = pytest.mark.parametrize("known", ALL, ids=lambda known: known.name)


@pytest.mark.parametrize("name", OF_THE_VENDORS)
def test_the_vendors_types_have_their_fields(name: str) -> None:
    assert set(CATALOGUE[name].schema["required"]) == OF_THE_VENDORS[name]


@each_type
def test_every_sample_is_valid_content_of_its_type(known: EventType) -> None:
    assert content_errors(known.name, known.sample) == []
    assert json.loads(json.dumps(known.sample)) == known.sample


@each_type
def test_every_schema_says_what_is_checked(known: EventType) -> None:
    schema = known.schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == known.name
    assert set(known.sample) <= set(schema["properties"])
    for field in schema["required"]:
        lacking = {name: value for name, value in known.sample.items() if name != field}
        assert content_errors(known.name, lacking) == [f"content.{field}: is required"]


@each_type
def test_every_field_has_a_snake_case_name_that_is_not_another_fields(known: EventType) -> None:
    names = known.fields
    assert set(names) == set(known.schema["properties"])
    assert all(name == name.lower() for name in names.values())
    assert len(set(names.values())) == len(names)


@each_type
def test_fields_beyond_the_catalogue_are_allowed(known: EventType) -> None:
    assert content_errors(known.name, {**known.sample, "more": {"of": ["the", "same"]}}) == []


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("storage.threshold_exceeded", {"currentUsage": "25838523252736"}, "currentUsage"),
        ("storage.threshold_exceeded", {"currentUsage": -1}, "currentUsage"),
        ("storage.threshold_exceeded", {"quota": True}, "quota"),
        ("storage.threshold_exceeded", {"threshold": 0}, "threshold"),
        ("storage.threshold_exceeded", {"siteUrl": ""}, "siteUrl"),
        ("storage.threshold_exceeded", {"siteUrl": None}, "siteUrl"),
        ("ProvisioningStarted", {"requestedOn": "yesterday"}, "requestedOn"),
        ("ProvisioningStarted", {"name": 5}, "name"),
    ],
)
def test_content_of_the_wrong_kind_is_named(name: str, change: dict[str, Any], field: str) -> None:
    errors = content_errors(name, CATALOGUE[name].sample | change)
    assert len(errors) == 1
    assert errors[0].startswith(f"content.{field}: ")


def test_a_storage_event_names_a_threshold_in_percent_or_bytes() -> None:
    sample = {
        name: value for name, value in CATALOGUE["storage.threshold_exceeded"].sample.items() if name != "threshold"
    }
    assert content_errors("storage.threshold_exceeded", sample) == [
        "content: give threshold (percent) or thresholdBytes, one of them"
    ]
    assert content_errors("storage.threshold_exceeded", {**sample, "thresholdBytes": 500 * 2**30}) == []
    assert content_errors("storage.threshold_exceeded", {**sample, "threshold": 99.5}) == []


def test_a_snake_case_spelling_is_not_the_field() -> None:
    sample = dict(CATALOGUE["storage.threshold_exceeded"].sample)
    sample["site_url"] = sample.pop("siteUrl")
    assert content_errors("storage.threshold_exceeded", sample) == ["content.siteUrl: is required"]
    both = {**CATALOGUE["storage.threshold_exceeded"].sample, "site_url": "x"}
    assert content_errors("storage.threshold_exceeded", both) == ["content.site_url: write it siteUrl"]


@pytest.mark.parametrize(
    "name", [*CATALOGUE, "*", "storage.*", "permission.*", "webhook.*", "custom.*", "custom.a.*", "custom.x"]
)
def test_an_endpoint_can_ask_for_known_types_prefixes_and_everything(name: str) -> None:
    assert type_problem(name) is None


@pytest.mark.parametrize(
    "name",
    [
        *("", "**", "Provisioning*", "provisioningstarted", "storage", "storage.", "custom.", "x.*", ".*", "custom*"),
        *("custom.*.x", "custom.f ", "custom. f", "custom.a*", "custom.a.*.*", "*.x"),
    ],
)
def test_an_endpoint_cannot_ask_for_what_will_never_come(name: str) -> None:
    assert re.search("is no event type|matches no event", str(type_problem(name)))


def test_only_the_app_publishes_operational_types() -> None:
    for name in CATALOGUE:
        assert publish_problem(name, "app") is None
        assert (publish_problem(name, "caller") is None) is not name.startswith("webhook.")
    assert publish_problem("custom.x", "caller") is None
    for name in ("custom.", "other", "webhook.made_up", "*", "storage.*"):
        assert publish_problem(name, "caller") is not None
    assert publish_problem("webhook.made_up", "app") is not None


def test_the_severity_of_an_event_that_names_none_is_the_catalogues_or_low() -> None:
    assert default_severity("storage.threshold_exceeded") == "high"
    assert default_severity("custom.x") == "low"
