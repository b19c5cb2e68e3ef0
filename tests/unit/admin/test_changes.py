"""What is asked of an endpoint, and whether it goes together."""

import json
from typing import Any

import pytest

from doubles.samples import an_endpoint
from shared.admin.changes import (
    MOST_ENDPOINT_BYTES,
    MOST_SETTINGS_BYTES_IN_ALL,
    Changes,
    Invalid,
    Patch,
    Unfit,
    Whole,
    complete,
)
from shared.model import Auth, Endpoint
from shared.model.audiences import TokenRules

JIRA = {"projectKey": "OPS", "issueType": "Incident"}


def completed(before: Endpoint | None, after: Endpoint, changes: Changes) -> Endpoint:
    found = complete(before, after, changes, TokenRules())
    assert isinstance(found, Endpoint)
    return found


def settings_of(endpoint: Endpoint) -> Any:
    return json.loads(endpoint.settings.get(endpoint.format, "{}"))


def test_settings_are_replaced_or_patched_or_stay() -> None:
    endpoint = an_endpoint(format="jira", settings={"jira": json.dumps(JIRA)})
    assert completed(endpoint, endpoint, Changes({})) is not None
    assert settings_of(completed(endpoint, endpoint, Changes({}))) == JIRA
    assert settings_of(completed(endpoint, endpoint, Changes({}, Whole({"projectKey": "IT"})))) == {"projectKey": "IT"}
    patched = completed(endpoint, endpoint, Changes({}, Patch({"projectKey": "IT", "issueType": None})))
    assert settings_of(patched) == {"projectKey": "IT"}


def test_settings_of_an_earlier_format_stay_for_what_is_on_its_way() -> None:
    before = an_endpoint(format="jira", settings={"jira": json.dumps(JIRA)})
    after = before.model_copy(update={"format": "cloudevents"})
    moved = completed(before, after, Changes({"format": "cloudevents"}, Whole({"handshake": True})))
    assert moved.settings == {"jira": json.dumps(JIRA), "cloudevents": '{"handshake":true}'}


def test_settings_of_all_formats_have_room_for_the_newest() -> None:
    """Each of eleven formats could be given 32 KiB, one after the other."""
    large = {name: json.dumps({"x": "x" * 30_000}) for name in ("servicenow", "connectwise", "autotask")}
    before = an_endpoint(format="point", settings=large)
    after = before.model_copy(update={"format": "template"})
    moved = completed(before, after, Changes({"format": "template"}, Whole({"template": {"text": "x" * 16_000}})))
    assert list(moved.settings) == ["autotask", "template"]
    assert sum(len(text) for text in moved.settings.values()) <= MOST_SETTINGS_BYTES_IN_ALL


def test_settings_that_do_not_fit_are_named_field_by_field() -> None:
    endpoint = an_endpoint()
    wrong = complete(None, endpoint, Changes({}, Whole({"a": 1})), TokenRules())
    assert wrong == Invalid(("settings: the wire format 'point' has none",))


def test_auth_is_replaced_patched_or_taken_off() -> None:
    endpoint = an_endpoint(auth=Auth(type="basic", username="desk", password="secret"))
    patched = completed(endpoint, endpoint, Changes({}, auth=Patch({"username": "other"})))
    assert patched.auth == Auth(type="basic", username="other", password="secret")
    replaced = completed(endpoint, endpoint, Changes({}, auth=Patch({"type": "headers", "headers": {"X-A": "1"}})))
    assert replaced.auth == Auth(type="headers", headers={"X-A": "1"})
    assert completed(endpoint, endpoint, Changes({}, auth=Whole({"type": "none"}))).auth is None


@pytest.mark.parametrize(
    ("url", "auth", "says"),
    [
        ("https://x/?sig=1", {"type": "basic", "username": "u", "password": "p"}, "auth: the URL has a sig parameter"),
        ("https://x/", {"type": "entra", "audience": "https://graph.microsoft.com"}, "auth.audience: is a service"),
    ],
)
def test_auth_that_cannot_be_used_is_refused(url: str, auth: dict[str, Any], says: str) -> None:
    refused = complete(None, an_endpoint(url), Changes({}, auth=Whole(auth)), TokenRules())
    assert isinstance(refused, Unfit)
    assert refused.reason.startswith(says)


def test_what_has_not_changed_is_not_checked_again() -> None:
    """An endpoint that a newer version would refuse can still be disabled."""
    old = an_endpoint(
        "https://x/?sig=1",
        format="telex",
        auth=Auth(type="entra", audience="https://graph.microsoft.com"),
        tenants=tuple("x" * 400 for _ in range(100)),
    )
    disabled = old.model_copy(update={"enabled": False})
    assert completed(old, disabled, Changes({"enabled": False})) == disabled


def test_an_endpoint_has_so_much_room_and_an_old_one_as_much_as_it_took() -> None:
    large = an_endpoint(tenants=("x" * MOST_ENDPOINT_BYTES,))
    refused = complete(None, large, Changes({}), TokenRules())
    assert isinstance(refused, Unfit)
    assert "at most 16384 are taken" in refused.reason
    smaller = large.model_copy(update={"tenants": ("x" * (MOST_ENDPOINT_BYTES - 1),)})
    assert completed(large, smaller, Changes({})) == smaller
