"""`Point.Subscribe` may create, read and delete the endpoints that its caller made, and nothing else."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from local.issuer import SigningKey, sign_token

from .api import DELIVERIES, ENDPOINTS, Api, Json, custom
from .conftest import App

SUBSCRIBE = "Point.Subscribe"
ALICE, BOB = "00000000-0000-4000-8000-00000000a11c", "00000000-0000-4000-8000-000000000b0b"
URL_OF_NOBODY = "http://127.0.0.1:9/nobody"


class Subscriber(Api):
    """A caller with Point.Subscribe alone."""

    def __init__(self, base: str, key: SigningKey, object_id: str | None) -> None:
        super().__init__(base, key)
        self._token = sign_token(key, [SUBSCRIBE], oid=object_id)

    def ids(self) -> set[str]:
        return {endpoint["id"] for endpoint in self.call("GET", ENDPOINTS).json}


@dataclass(frozen=True)
class Scene:
    """Alice and Bob, an endpoint of each, and one of an admin's."""

    app: App
    alice: Subscriber
    bob: Subscriber
    of_alice: Json
    of_bob: Json
    of_admin: Json

    @property
    def others(self) -> tuple[Json, Json]:
        """What is not Alice's."""
        return self.of_bob, self.of_admin


def register(api: Api, url: str, **more: Any) -> Json:
    return api.register(url, "custom.subscribed", **more)


@pytest.fixture(scope="module")
def scene(app: App) -> Iterator[Scene]:
    with (
        closing(Subscriber(app.host.url, app.api.key, ALICE)) as alice,
        closing(Subscriber(app.host.url, app.api.key, BOB)) as bob,
    ):
        made = [register(each, app.receiver.hook().url) for each in (alice, bob, app.api)]
        yield Scene(app, alice, bob, *made)
        for endpoint in made:
            app.api.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_a_subscriber_sees_what_it_made_and_an_admin_sees_all(scene: Scene) -> None:
    assert scene.alice.ids() == {scene.of_alice["id"]}
    assert scene.bob.ids() == {scene.of_bob["id"]}
    all_of_them = {endpoint["id"] for endpoint in scene.app.api.call("GET", ENDPOINTS).json}
    assert {each["id"] for each in (scene.of_alice, *scene.others)} <= all_of_them
    assert scene.alice.call("GET", f"{ENDPOINTS}/{scene.of_alice['id']}").json == scene.of_alice
    assert scene.app.api.call("GET", f"{ENDPOINTS}/{scene.of_alice['id']}").json == scene.of_alice


def test_for_a_subscriber_the_endpoints_of_others_do_not_exist(scene: Scene) -> None:
    nothing = scene.alice.call("GET", f"{ENDPOINTS}/{'A' * 26}", expect=404).json
    no_url = scene.alice.call("DELETE", f"{ENDPOINTS}?endpoint={quote(URL_OF_NOBODY, safe='')}", expect=404).json
    for other in scene.others:
        path = f"{ENDPOINTS}/{other['id']}"
        for method in ("GET", "DELETE"):
            assert scene.alice.call(method, path, expect=404).json == nothing
            assert scene.alice.call(method, path.lower().replace("/v1.0", "/v1.0"), expect=404).json == nothing
        by_url = scene.alice.call("DELETE", ENDPOINTS, {"endpoint": other["endpoint"]}, expect=404).json
        assert by_url.keys() == no_url.keys()
        assert by_url["type"] == no_url["type"]
        assert by_url["detail"].split("(")[0] == no_url["detail"].split("(")[0]
        assert scene.app.api.call("GET", path).json == other


def test_a_url_belongs_to_who_registered_it_first(scene: Scene) -> None:
    for other in scene.others:
        for body in ({"types": ["*"]}, {}, {"enabled": False}):
            for url in (other["endpoint"], other["endpoint"].replace("http://", "HTTP://")):
                problem = scene.alice.call("POST", ENDPOINTS, {"endpoint": url, **body}, expect=409).json
                assert "another caller" in problem["detail"]
        assert scene.app.api.call("GET", f"{ENDPOINTS}/{other['id']}").json == other


def test_a_subscriber_changes_its_own_by_registering_again(scene: Scene) -> None:
    again = register(scene.alice, scene.of_alice["endpoint"], name="again")
    assert again == {**scene.of_alice, "name": "again", "updatedAt": again["updatedAt"]}
    changed_by_admin = register(scene.app.api, scene.of_alice["endpoint"], name="by an admin")
    assert changed_by_admin["id"] == scene.of_alice["id"]
    assert scene.alice.ids() == {scene.of_alice["id"]}, "an admin's change takes nothing away from its owner"
    assert scene.alice.call("GET", f"{ENDPOINTS}/{scene.of_alice['id']}").json["name"] == "by an admin"


def test_a_deleted_url_is_free_for_the_next(scene: Scene) -> None:
    url = scene.app.receiver.hook().url
    endpoint = register(scene.alice, url)
    register_for_bob = {"endpoint": url, "types": ["custom.subscribed"]}
    scene.bob.call("POST", ENDPOINTS, register_for_bob, expect=409)
    scene.alice.call("DELETE", ENDPOINTS, {"endpoint": url}, expect=204)
    assert register(scene.bob, url)["id"] == endpoint["id"]
    scene.alice.call("GET", f"{ENDPOINTS}/{endpoint['id']}", expect=404)
    scene.bob.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


def test_everything_else_is_403_even_about_its_own(scene: Scene) -> None:
    own = f"{ENDPOINTS}/{scene.of_alice['id']}"
    for method, path in (
        ("PATCH", own),
        ("POST", f"{own}/test"),
        ("GET", f"{own}/secret"),
        ("POST", f"{own}/secret/rotate"),
        ("POST", f"{own}/replay"),
        ("GET", "/v1.0/options"),
        ("POST", "/v1.0/options/signature-key/rotate"),
        ("POST", "/v1.0/events"),
        ("GET", "/v1.0/events/key"),
        ("DELETE", "/v1.0/events/key"),
        ("GET", f"{DELIVERIES}?endpoint={scene.of_alice['id']}"),
        ("GET", f"{DELIVERIES}?status=failed"),
        ("POST", f"{DELIVERIES}/some-id/retry"),
    ):
        scene.alice.call(method, path, {} if method in ("POST", "PATCH") else None, expect=403)
    scene.alice.call("GET", "/v1.0/webhooks/types")


def test_what_it_registered_is_delivered(scene: Scene) -> None:
    hook = scene.app.receiver.hook()
    endpoint = scene.alice.register(hook.url, "custom.for_alice")
    key = scene.app.api.publish(custom("custom.for_alice"))["idempotencyKey"]
    assert hook.wait()[0].key == key
    record = scene.app.host.wait_for("audit", action="endpoint.registered", endpointId=endpoint["id"])
    assert record["actor"].startswith(ALICE)
    scene.alice.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)


@pytest.mark.parametrize("object_id", [None, ""])
def test_a_token_that_names_nobody_owns_nothing(app: App, object_id: str | None) -> None:
    with closing(Subscriber(app.host.url, app.api.key, object_id)) as nobody:
        body = {"endpoint": URL_OF_NOBODY, "types": ["*"]}
        for method, sent in (("GET", None), ("POST", body), ("DELETE", {"endpoint": URL_OF_NOBODY})):
            assert "oid" in nobody.call(method, ENDPOINTS, sent, expect=403).json["detail"]


def test_what_an_admin_disabled_its_owner_neither_enables_nor_deletes(app: App, scene: Scene) -> None:
    url = app.receiver.hook().url
    path = f"{ENDPOINTS}/{register(scene.alice, url)['id']}"
    app.api.call("PATCH", path, {"enabled": False})
    assert register(scene.alice, url, enabled=True)["enabled"] is False
    for target in (path, f"{ENDPOINTS}?endpoint={quote(url, safe='')}"):
        refused = scene.alice.call("DELETE", target, expect=409).json
        assert "An admin has disabled this endpoint" in refused["detail"]
    app.api.call("PATCH", path, {"enabled": True})
    scene.alice.call("DELETE", path, expect=204)
