"""Authentication and settings of endpoints: stored encrypted, patched, never shown again."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from doubles.registering import modify, register
from shared.api import endpoints as handlers
from shared.formats import FORMATS
from shared.model import Auth, endpoint_id
from shared.settings import Settings, SettingsError
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.endpoints import PARTITION, Endpoints

from .api import Answer, Api
from .conftest import KEY
from .scene import THURSDAY, URL

LATER = THURSDAY + timedelta(hours=1)
NEW = Fernet.generate_key().decode()
HEADERS = Auth(type="headers", headers={"X-Token": "HIDDEN"})
BASIC = Auth(type="basic", username="desk", password="HIDDEN")
JIRA = {"projectKey": "OPS", "issueType": "Incident"}
SETTINGS = {"jira": json.dumps(JIRA), "template": json.dumps({"document": {"key": "HIDDEN" * 10_000}})}
PRIVATE: dict[str, Any] = {"auth": HEADERS, "settings": SETTINGS}


def a_store(settings: Settings, *keys: str) -> Endpoints:
    return Endpoints(Services(settings), Cipher(keys))


def row(store: Endpoints, url: str = URL) -> dict[str, Any]:
    found = store._table.get(PARTITION, endpoint_id(url))
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("given", [PRIVATE, {"auth": BASIC}, {"settings": SETTINGS}], ids=["both", "auth", "settings"])
def test_they_are_read_as_they_were_stored_and_no_row_shows_them(settings: Settings, given: dict[str, Any]) -> None:
    store = a_store(settings, KEY)
    made = register(store, URL, THURSDAY, **given)
    assert (made.auth, made.settings) == (given.get("auth"), given.get("settings", {}))
    assert a_store(settings, KEY).read_all() == [made]
    assert "HIDDEN" not in str(row(store))
    assert "Incident" not in str(row(store))


def test_what_is_taken_away_leaves_nothing_behind(settings: Settings) -> None:
    store = a_store(settings, KEY)
    register(store, URL, THURSDAY)
    plain = row(store)
    modify(store, endpoint_id(URL), LATER, **PRIVATE)
    assert len([name for name in row(store) if name.startswith("Private")]) > 1, "larger than one property"
    modify(store, endpoint_id(URL), LATER, auth=None, settings={})
    assert row(store).keys() == plain.keys()


def test_what_deleted_endpoints_had_stayed_in_memory(settings: Settings) -> None:
    store = a_store(settings, KEY)
    for number in range(3):
        made = register(store, f"{URL}{number}", THURSDAY, **PRIVATE)
        assert store.read(made.id) == made
        store.delete(made.id)
    assert store.read_all() == []
    assert store._format._read == {}


def test_a_rotation_of_secrets_key_takes_them_along(settings: Settings) -> None:
    """Also in a row of which nothing else is under the old key."""
    store = a_store(settings, KEY)
    register(store, URL, THURSDAY, **PRIVATE)
    old = row(store)
    both = a_store(settings, NEW, KEY)
    before = both.read_all()
    assert both.reencrypt() == 1
    assert a_store(settings, NEW).read_all() == before
    assert both.reencrypt() == 0
    mixed = row(store) | {name: value for name, value in old.items() if name.startswith("Private")}
    store._table.upsert(mixed)
    with pytest.raises(SettingsError):
        a_store(settings, NEW).read_all()
    assert a_store(settings, NEW, KEY).reencrypt() == 1
    assert a_store(settings, NEW).read_all() == before


@pytest.fixture
def patch(api: Api) -> Any:
    """PATCHes one endpoint; answers what the API then shows of it."""
    api.scene.register("http://127.0.0.1:9/hook?code=1")
    identity = endpoint_id("http://127.0.0.1:9/hook?code=1")

    def send(body: Any) -> Answer:
        return api(handlers.change, body, identity)

    return send


def auth_of(api: Api) -> Auth | None:
    [endpoint] = api.scene.app.endpoints.read_all()
    return endpoint.auth


def test_headers_are_set_changed_one_by_one_and_taken_off(api: Api, patch: Any) -> None:
    shown = patch({"auth": {"type": "headers", "headers": {"X-A": "HIDDEN", "X-B": "HIDDEN"}}})
    assert shown.body["auth"] == {"type": "headers", "headerNames": ["X-A", "X-B"]}
    assert "HIDDEN" not in shown.text
    patch({"auth": {"headers": {"X-A": "new", "X-B": None}}})
    assert auth_of(api) == Auth(type="headers", headers={"X-A": "new"})
    assert patch({"name": "SIEM"}).body["auth"] == {"type": "headers", "headerNames": ["X-A"]}
    assert auth_of(api) is not None, "what a patch does not name it keeps"
    for off in (None, {"type": "none"}):
        patch({"auth": {"type": "headers", "headers": {"X-A": "1"}}})
        assert "auth" not in patch({"auth": off}).body
        assert auth_of(api) is None


def test_another_type_replaces_what_was_there(api: Api, patch: Any) -> None:
    patch({"auth": {"type": "headers", "headers": {"X-A": "1"}}})
    shown = patch({"auth": {"type": "basic", "username": "desk", "password": "HIDDEN"}})
    assert shown.body["auth"] == {"type": "basic", "username": "desk"}
    assert auth_of(api) == BASIC
    assert patch({"auth": {"username": "other"}}).body["auth"] == {"type": "basic", "username": "other"}
    assert auth_of(api) == BASIC.model_copy(update={"username": "other"}), "a password need not be sent again"
    audience = "https://service.flow.microsoft.com/"
    assert patch({"auth": {"type": "entra", "audience": audience}}).body["auth"] == {
        "type": "entra",
        "audience": audience,
    }


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({"type": "headers", "headers": {"Host": "HIDDEN"}}, "the header Host is set by the app"),
        ({"type": "headers", "headers": {"X-A": "HIDDEN\n"}}, "the value of X-A must be printable"),
        ({"headers": {"X-A": "HIDDEN"}}, "auth: must be an object that says its type"),
        ({"type": "entra", "audience": "https://graph.microsoft.com"}, "auth.audience: is a service in which the app"),
        ({"type": "entra", "audience": "https://ingest.example"}, "auth.audience: is not among ALLOWED_TOKEN"),
        ("HIDDEN", "auth"),
    ],
)
def test_what_cannot_be_used_changes_nothing(api: Api, patch: Any, auth: Any, says: str) -> None:
    answer = patch({"auth": auth, "name": "changed"})
    assert answer.status == 400
    assert says in answer.body["detail"]
    assert "HIDDEN" not in answer.text
    [endpoint] = api.scene.app.endpoints.read_all()
    assert (endpoint.auth, endpoint.name) == (None, None)


def test_a_signed_url_and_authorization_are_refused_together(api: Api) -> None:
    api.scene.register("http://127.0.0.1:9/invoke?sp=x&sig=1")
    identity = endpoint_id("http://127.0.0.1:9/invoke?sp=x&sig=1")
    for auth in (
        {"type": "basic", "username": "u", "password": "HIDDEN"},
        {"type": "entra", "audience": "api://x"},
        {"type": "headers", "headers": {"authorization": "HIDDEN"}},
    ):
        answer = api(handlers.change, {"auth": auth}, identity)
        assert (answer.status, "sig" in answer.body["detail"]) == (400, True)
        assert "HIDDEN" not in answer.text
    assert api(handlers.change, {"auth": {"type": "headers", "headers": {"X-A": "1"}}}, identity).status == 200


def test_only_an_admin_gives_an_endpoint_authentication(api: Api) -> None:
    """Handlers are called here without a role, as a subscriber calls them."""
    for auth in ({"type": "entra", "audience": "api://x"}, {"type": "none"}):
        body = {"endpoint": "http://127.0.0.1:9/hook", "types": ["*"], "auth": auth}
        answer = api(handlers.register, body)
        assert (answer.status, "Point.Admin" in answer.body["detail"]) == (403, True)
    assert api.scene.app.endpoints.read_all() == []


def test_settings_are_those_of_the_format_and_merged(api: Api, patch: Any) -> None:
    assert FORMATS["jira"].settings
    refused = patch({"format": "jira"})
    assert (refused.status, "settings: give projectKey" in refused.body["detail"]) == (400, True)
    shown = patch({"format": "jira", "settings": JIRA}).body
    assert (shown["format"], shown["settings"]) == ("jira", JIRA)
    assert patch({"settings": {"issueType": "Task"}}).body["settings"] == JIRA | {"issueType": "Task"}
    assert patch({"settings": {"issueType": None}}).body["settings"] == {"projectKey": "OPS"}
    assert patch({"settings": {"nothing": 1}}).status == patch({"settings": None}).status == 400
    shown = patch({"format": "point"}).body
    assert "settings" not in shown
    assert patch({"settings": {"a": 1}}).body["detail"] == "settings: the wire format 'point' has none"
    [endpoint] = api.scene.app.endpoints.read_all()
    assert json.loads(endpoint.settings["jira"]) == {"projectKey": "OPS"}, "for deliveries that are on their way"
    assert patch({"format": "jira"}).body["settings"] == {"projectKey": "OPS"}


def test_a_change_from_1_to_true_was_taken_for_none(api: Api, patch: Any) -> None:
    """They are equal in Python, not in JSON."""
    patch({"format": "template", "settings": {"template": {"urgent": 1}}})
    shown = patch({"settings": {"template": {"urgent": True}}}).body
    assert shown["settings"]["template"]["urgent"] is True
    [endpoint] = api.scene.app.endpoints.read_all()
    assert endpoint.settings == {"template": '{"template":{"urgent":true}}'}


def test_registering_again_with_settings_replaces_them(api: Api) -> None:
    url = "http://127.0.0.1:9/hook"
    first = {"endpoint": url, "types": ["*"], "format": "jira", "settings": JIRA}
    shown = api(handlers.register, first, prefer="return=representation").body
    assert shown["settings"] == JIRA
    again = api(handlers.register, {"endpoint": url, "name": "desk"}, prefer="return=representation").body
    assert again["settings"] == JIRA, "absent settings stay"
    only = {"endpoint": url, "settings": {"projectKey": "IT"}}
    assert api(handlers.register, only, prefer="return=representation").body["settings"] == {"projectKey": "IT"}


def test_an_endpoint_that_no_longer_fits_can_still_be_disabled_and_mended(api: Api, patch: Any) -> None:
    """As after an update of the app whose format asks for more."""
    [endpoint] = api.scene.app.endpoints.read_all()
    api.scene.change(endpoint.id, format="jira", settings={"jira": "{}"})
    assert "settings" not in patch({"enabled": False}).body
    assert patch({"types": ["storage.*"]}).status == 400
    assert patch({"settings": JIRA}).status == 200


@pytest.mark.parametrize("left", [("telex", "{}"), ("cloudevents", '{"handshake":"yes"}')])
def test_what_another_version_left_can_be_disabled_and_moved(api: Api, patch: Any, left: tuple[str, str]) -> None:
    [endpoint] = api.scene.app.endpoints.read_all()
    api.scene.change(endpoint.id, format=left[0], settings=dict([left]))
    assert patch({"enabled": False}).body["enabled"] is False
    assert patch({"types": ["storage.*"]}).status == 400
    assert patch({"format": "point"}).body["format"] == "point"
