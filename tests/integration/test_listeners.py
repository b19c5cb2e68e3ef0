"""Who hears of an endpoint: its owner and admins, and of one owner not without end."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.admin import registration
from shared.admin.changes import Changes
from shared.admin.registration import Registered, Registration, TooManyListeners
from shared.api import endpoints
from shared.model import Endpoint
from shared.model.filters import MOST_LISTENERS

from .scene import BUSY, URL, Scene, an_event

ALICE, BOB, ADMIN = "alice", "bob", "admin"
LISTENS = ("webhook.*",)


def register(scene: Scene, name: str, owner: str, *types: str, **more: Any) -> Registered | registration.Refusal:
    fields = {"types": types or LISTENS}
    wanted = Registration(f"https://{name}.example/", Changes(fields), owner, by_admin=owner == ADMIN, **more)
    return registration.register(scene.app, wanted)


def listener(scene: Scene, name: str, owner: str) -> Endpoint:
    registered = register(scene, name, owner)
    assert isinstance(registered, Registered)
    return registered.endpoint


def heard(scene: Scene, *names: str) -> dict[str, list[str]]:
    """The hosts of the endpoints that each listener was told of."""
    names_of = {each.id: each.host.removesuffix(".example") for each in scene.app.endpoints.read_all()}
    return {
        name: sorted(
            names_of.get(json.loads(body)["content"]["endpointId"], "one that is gone")
            for _, body in scene.receiver.of(f"https://{name}.example/")
        )
        for name in names
    }


def all_fail(scene: Scene) -> None:
    scene.app = replace(scene.app, settings=scene.app.settings.model_copy(update={"retry_delays": ()}))
    scene.publish(an_event())
    scene.run_in_order()


@pytest.fixture
def broken(scene: Scene) -> Scene:
    """A broken endpoint of each of the three, and a listener of each."""
    for owner in (ALICE, BOB, ADMIN):
        scene.receiver.by_url[f"https://broken-{owner}.example/"] = BUSY
        assert isinstance(register(scene, f"broken-{owner}", owner, "custom.*"), Registered)
        listener(scene, owner, owner)
    return scene


def test_a_subscriber_hears_of_its_own_endpoints_and_an_admin_of_all(broken: Scene) -> None:
    """Others' hosts, errors and keys were told to whoever holds Point.Subscribe."""
    all_fail(broken)
    assert heard(broken, ALICE, BOB, ADMIN) == {
        ALICE: ["broken-alice"],
        BOB: ["broken-bob"],
        ADMIN: ["broken-admin", "broken-alice", "broken-bob"],
    }


def test_what_is_disabled_is_told_to_the_same(broken: Scene) -> None:
    for owner in (ALICE, BOB, ADMIN):
        broken.receiver.by_url[f"https://broken-{owner}.example/"] = replace(BUSY, status=410)
    all_fail(broken)
    assert heard(broken, ALICE, BOB) == {ALICE: ["broken-alice"], BOB: ["broken-bob"]}
    assert len(heard(broken, ADMIN)[ADMIN]) == 3


def test_of_an_endpoint_that_is_gone_admins_alone_hear(broken: Scene) -> None:
    gone = next(each for each in broken.app.endpoints.all() if each.host == "broken-alice.example")

    def delete() -> None:
        broken.app.endpoints.delete(gone.id)

    broken.receiver.before = delete  # while its only attempt is made
    all_fail(broken)
    told = heard(broken, ALICE, BOB, ADMIN)
    assert (told[ALICE], told[BOB]) == ([], ["broken-bob"])
    assert "one that is gone" in told[ADMIN]


def test_of_one_owner_five_hear(broken: Scene) -> None:
    """Some may be of before there was a limit."""
    for number in range(7):
        broken.register(f"https://old-{number}.example/", owner=BOB, types=LISTENS)
    all_fail(broken)
    told = heard(broken, BOB, *(f"old-{number}" for number in range(7)))
    assert sum(map(len, told.values())) == MOST_LISTENERS
    assert len(heard(broken, ADMIN)[ADMIN]) == 3


def test_a_caller_has_five_listeners_and_an_admin_as_many_as_it_wants(scene: Scene) -> None:
    for number in range(MOST_LISTENERS):
        listener(scene, f"bob-{number}", BOB)
    assert register(scene, "sixth", BOB) == TooManyListeners(MOST_LISTENERS)
    assert register(scene, "sixth", BOB, "custom.*", "webhook.endpoint_disabled") == TooManyListeners(MOST_LISTENERS)
    assert isinstance(register(scene, "sixth", BOB, "*"), Registered)
    assert register(scene, "sixth", BOB) == TooManyListeners(MOST_LISTENERS), "nor by a change of its types"
    assert isinstance(register(scene, "bob-0", BOB, "webhook.delivery_failed"), Registered), "one that listens already"
    assert isinstance(register(scene, "another", BOB, replaces=True), Registered), "in the place of another"
    listener(scene, "alice", ALICE)
    for number in range(MOST_LISTENERS + 1):
        listener(scene, f"admin-{number}", ADMIN)


def test_the_refusal_says_what_to_change() -> None:
    problem = endpoints.registration_problem(TooManyListeners(5))
    assert (problem.status, problem.body["detail"]) == (
        409,
        "5 endpoints of yours ask for webhook.* already: take these types off one first",
    )


def test_what_an_owner_hears_of_follows_the_role_with_which_it_registers_again(scene: Scene) -> None:
    """And what somebody else's registration says changes nothing: an admin may change a subscriber's endpoint."""
    wanted = Registration(URL, Changes({"types": LISTENS}), BOB)
    assert isinstance(made := registration.register(scene.app, wanted), Registered)
    assert not made.endpoint.by_admin
    calls = ((ADMIN, True, False), (BOB, True, True), (ADMIN, True, True), (BOB, False, False))
    for owner, by_admin, hears_all in calls:
        made = registration.register(scene.app, replace(wanted, owner=owner, by_admin=by_admin))
        assert isinstance(made, Registered)
        assert made.endpoint.by_admin is hears_all
        assert made.endpoint.owner == BOB
