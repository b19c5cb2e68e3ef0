"""Registering receivers, and changing what is registered, by several at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.admin import registration
from shared.admin.changes import Changes, Invalid, Patch, Unfit, Whole
from shared.admin.consent import NotConsented
from shared.admin.registration import (
    RESERVED_FOR_ADMINS,
    OthersEndpoint,
    Refusal,
    Registered,
    Registration,
    TooManyEndpoints,
    TooManyOfOwner,
    change_endpoint,
    rotate_secret,
)
from shared.model import Endpoint, endpoint_id, to_ms
from shared.outbound.signing import make_secret

from .conftest import Calls
from .scene import THURSDAY, URL, Scene

HOUR = timedelta(hours=1)


def register(scene: Scene, url: str = URL, owner: str = "", **fields: Any) -> Registered:
    wanted = Registration(url, Changes({"types": ("*",)} | fields), owner, by_admin=not owner, only_own=bool(owner))
    registered = registration.register(scene.app, wanted)
    assert isinstance(registered, Registered)
    return registered


def changed(scene: Scene, endpoint: Endpoint, **fields: Any) -> Endpoint | Refusal | None:
    return change_endpoint(scene.app, endpoint.id, Changes(fields))


def stored(scene: Scene, endpoint: Endpoint) -> Endpoint | None:
    return scene.elsewhere().app.endpoints.read(endpoint.id)


def test_a_url_is_registered_once(scene: Scene) -> None:
    secret = make_secret()
    wanted = Registration(URL, Changes({"types": ("storage.*",), "min_severity": "high"}), "alice", secret=secret)
    registered = registration.register(scene.app, wanted)
    assert isinstance(registered, Registered)
    endpoint = registered.endpoint
    assert registered.new
    assert (endpoint.url, endpoint.secret, endpoint.owner) == (URL, secret, "alice")
    assert endpoint.generation == endpoint.health.generation == to_ms(THURSDAY)
    assert stored(scene, endpoint) == endpoint


def test_registering_again_keeps_what_is_not_said(scene: Scene) -> None:
    first = register(scene, name="SIEM", min_severity="high", tenants=("contoso",), sites=("https://x/*",)).endpoint
    scene.clock.move(HOUR)
    again = register(scene, types=("storage.*",), name="Jira")
    assert not again.new
    expected = first.model_copy(update={"types": ("storage.*",), "name": "Jira", "updated_at": THURSDAY + HOUR})
    assert again.endpoint == stored(scene, first) == expected


def test_the_same_url_in_another_case_of_its_host_is_the_same_endpoint(scene: Scene) -> None:
    first = register(scene, "https://Receiver.Example/Hook").endpoint
    again = register(scene, "HTTPS://receiver.example/Hook")
    assert (again.endpoint.id, again.endpoint.url, again.new) == (first.id, first.url, False)


def test_what_only_a_new_endpoint_takes_changes_no_other(scene: Scene) -> None:
    wanted = Registration(URL, Changes({}), if_new={"types": ("*",)})
    first = registration.register(scene.app, wanted)
    assert isinstance(first, Registered)
    assert first.endpoint.types == ("*",)
    changed(scene, first.endpoint, types=("storage.*",))
    again = registration.register(scene.app, wanted)
    assert isinstance(again, Registered)
    assert again.endpoint.types == ("storage.*",)


def test_a_new_endpoint_needs_types(scene: Scene) -> None:
    assert registration.register(scene.app, Registration(URL, Changes({}))) == Unfit("types: is required")


def test_several_who_register_the_same_url_at_once_make_one_endpoint(scene: Scene) -> None:
    register(scene, "https://other.example/")  # so that the table is there
    instances, start = [scene, scene.elsewhere()], threading.Barrier(4)

    def run(number: int) -> Registered:
        start.wait()
        return register(instances[number % 2], name=str(number))

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(run, range(4)))
    assert [each.new for each in results].count(True) == 1
    assert len({each.endpoint.secret for each in results}) == 1
    assert len(scene.app.endpoints.read_all()) == 2


def test_a_change_touches_what_it_names(scene: Scene) -> None:
    first = register(scene, name="SIEM").endpoint
    scene.clock.move(HOUR)
    update = {"enabled": False, "disabled_by_admin": True, "updated_at": THURSDAY + HOUR}
    expected = first.model_copy(update=update)
    assert changed(scene, first, enabled=False) == stored(scene, first) == expected
    assert change_endpoint(scene.app, "A" * 26, Changes({"enabled": False})) is None


def test_changes_made_at_once_are_all_kept(scene: Scene) -> None:
    """Also of two members of the settings, which are one value of a row."""
    jira = {"projectKey": "OPS", "issueType": "Incident"}
    wanted = Registration(URL, Changes({"types": ("*",), "format": "jira"}, Whole(jira)))
    first = registration.register(scene.app, wanted)
    assert isinstance(first, Registered)
    instances, start = [scene, scene.elsewhere()], threading.Barrier(4)
    changes = [
        Changes({"name": "SIEM"}),
        Changes({"min_severity": "high"}),
        Changes({}, Patch({"projectKey": "IT"})),
        Changes({}, Patch({"issueType": "Task"})),
    ]

    def run(number: int) -> None:
        start.wait()
        change_endpoint(instances[number % 2].app, first.endpoint.id, changes[number])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(4)))
    found = stored(scene, first.endpoint)
    assert found is not None
    assert (found.name, found.min_severity) == ("SIEM", "high")
    assert found.settings == {"jira": '{"projectKey":"IT","issueType":"Task"}'}


def test_what_does_not_fit_is_said_and_changes_nothing(scene: Scene) -> None:
    first = register(scene).endpoint
    refused = change_endpoint(scene.app, first.id, Changes({"format": "jira"}, Patch({"projectKey": 7})))
    assert isinstance(refused, Invalid)
    assert any(error.startswith("settings.projectKey: ") for error in refused.errors)
    wrong = change_endpoint(scene.app, first.id, Changes({}, auth=Patch({"type": "basic"})))
    assert isinstance(wrong, Invalid)
    assert wrong.errors == ("auth.username: is required", "auth.password: is required")
    foreign = change_endpoint(scene.app, first.id, Changes({}, auth=Whole({"type": "entra", "audience": "https://x"})))
    assert foreign == Unfit("auth.audience: is not among ALLOWED_TOKEN_AUDIENCES, an app setting")
    assert stored(scene, first) == first


def test_an_endpoint_of_somebody_else_is_left_alone(scene: Scene) -> None:
    first = register(scene, owner="alice").endpoint
    wanted = Registration(URL, Changes({"types": ("storage.*",)}), "bob", only_own=True)
    assert registration.register(scene.app, wanted) == OthersEndpoint()
    assert stored(scene, first) == first


def test_no_more_endpoints_than_the_limit_and_known_ones_still_change(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "MOST_ENDPOINTS", 2)
    for url in (URL, URL + "2"):
        register(scene, url)
    another = Registration(URL + "3", Changes({"types": ("*",)}), by_admin=True)
    assert registration.register(scene.app, another) == TooManyEndpoints(2)
    assert not register(scene, name="x").new


def test_a_hundred_places_are_kept_for_admins(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscribers could take them all."""
    monkeypatch.setattr(registration, "MOST_ENDPOINTS", RESERVED_FOR_ADMINS + 1)
    register(scene, owner="alice")
    another = Registration(URL + "2", Changes({"types": ("*",)}), "bob", only_own=True)
    assert registration.register(scene.app, another) == TooManyEndpoints(1)
    assert registration.register(scene.app, replace(another, replaces=True)) != TooManyEndpoints(1)
    assert register(scene, URL + "3").new


def test_a_caller_has_so_many_endpoints_and_an_admin_as_many_as_there_are_places(scene: Scene) -> None:
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"max_endpoints_per_owner": 2}))
    for number in range(2):
        register(scene, f"{URL}{number}", owner="alice")
    third = Registration(URL + "3", Changes({"types": ("*",)}), "alice", only_own=True)
    assert registration.register(scene.app, third) == TooManyOfOwner(2)
    assert not register(scene, f"{URL}0", owner="alice", name="still mine").new
    assert register(scene, URL + "4", owner="bob").new
    assert isinstance(registration.register(scene.app, replace(third, by_admin=True)), Registered)


def test_registering_reads_no_table(scene: Scene, calls: Calls) -> None:
    """Each registration made the next one read all that there are."""
    register(scene)
    calls.clear()
    for number in range(5):
        register(scene, f"{URL}{number}")
    assert [about for _, about in calls if "(PartitionKey=" not in about and about != "endpoints"] == []
    assert scene.app.endpoints.get(endpoint_id(f"{URL}4")) == scene.app.endpoints.read(endpoint_id(f"{URL}4"))


def test_an_endpoint_that_takes_too_much_room_is_refused(scene: Scene) -> None:
    large = tuple(f"{number}".ljust(400, "x") for number in range(50))
    refused = registration.register(scene.app, Registration(URL, Changes({"types": ("*",), "tenants": large})))
    assert isinstance(refused, Unfit)
    assert refused.reason.startswith("endpoint: its URL, types, tenants, sites and auth take 2")
    old = scene.register(tenants=large)
    assert isinstance(changed(scene, old, enabled=False), Endpoint)
    assert isinstance(changed(scene, old, tenants=(*large, "x")), Unfit)
    assert isinstance(changed(scene, old, tenants=large[:1]), Endpoint)


def test_what_an_admin_disabled_its_owner_does_not_enable(scene: Scene) -> None:
    first = register(scene, owner="alice").endpoint
    changed(scene, first, enabled=False)
    again = register(scene, owner="alice", enabled=True).endpoint
    assert (again.enabled, again.disabled_by_admin, again.receives) == (False, True, False)
    enabled = changed(scene, first, enabled=True)
    assert isinstance(enabled, Endpoint)
    assert (enabled.enabled, enabled.disabled_by_admin) == (True, False)


def test_what_its_owner_disabled_its_owner_enables(scene: Scene) -> None:
    register(scene, owner="alice", enabled=False)
    assert register(scene, owner="alice", enabled=True).endpoint.receives


def test_an_endpoint_that_an_admin_registers_disabled_is_disabled_by_an_admin(scene: Scene) -> None:
    assert register(scene, enabled=False).endpoint.disabled_by_admin


def test_a_rotated_secret_signs_on_beside_the_new_one_until_its_time(scene: Scene) -> None:
    first, until = register(scene).endpoint, THURSDAY + timedelta(hours=24)
    rotated = rotate_secret(scene.app, first.id, until)
    assert rotated is not None
    assert rotated == stored(scene, first)
    assert rotated.secrets_at(until - timedelta(seconds=1)) == [rotated.secret, first.secret]
    assert rotate_secret(scene.app, "A" * 26, until) is None


def test_a_receiver_is_asked_for_its_consent_once_however_often_the_row_is_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked inside the loop: each conflict cost ten seconds of a slow receiver."""
    first = register(scene).endpoint
    asked: list[str] = []

    def consent_problem(app: object, before: Endpoint | None, after: Endpoint, for_admin: bool) -> None:
        asked.append(after.format)
        scene.elsewhere().change(first.id, name=f"changed meanwhile {len(asked)}")

    monkeypatch.setattr(registration, "consent_problem", consent_problem)
    found = changed(scene, first, format="cloudevents")
    assert isinstance(found, Endpoint)
    assert (asked, found.name, found.format) == (["cloudevents"], "changed meanwhile 1", "cloudevents")


def test_a_receiver_that_does_not_consent_is_not_registered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registration, "consent_problem", lambda *_, **__: NotConsented("the receiver has not consented")
    )
    refused = registration.register(scene.app, Registration(URL, Changes({"types": ("*",)})))
    assert refused == Unfit("endpoint: the receiver has not consented")
    assert scene.app.endpoints.read_all() == []
