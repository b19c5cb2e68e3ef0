"""Subscriptions by a key: however calls overlap or break off, a key stands for one endpoint."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from doubles.registering import switch_off
from shared.admin import registration
from shared.admin.changes import Changes
from shared.admin.registration import (
    RESERVED_FOR_ADMINS,
    OthersEndpoint,
    Refusal,
    TooManyEndpoints,
    change_endpoint,
)
from shared.admin.subscriptions import Subscribed, subscribe, subscribed, unsubscribe
from shared.app import App
from shared.model import endpoint_id
from shared.storage.clients import StorageUnavailable, Table

from .scene import THURSDAY, Scene

ALICE, BOB, KEY = "alice", "bob", "workflow"
Instances = Callable[[], App]


@pytest.fixture
def instance(scene: Scene) -> Instances:
    """Each call is another instance of the app: nothing in memory is shared."""
    return lambda: scene.elsewhere().app


def url_of(name: object) -> str:
    return f"https://workflow.example/{name}?sig=hidden"


def outcome(app: App, name: object, /, owner: str = ALICE, key: str = KEY, **given: Any) -> Subscribed | Refusal:
    return subscribe(app, owner, key, url_of(name), Changes({"types": ("*",)} | given))


def put(app: App, name: object, /, owner: str = ALICE, key: str = KEY, **given: Any) -> Subscribed:
    done = outcome(app, name, owner, key, **given)
    assert isinstance(done, Subscribed)
    return done


def urls(app: App) -> list[str]:
    return [endpoint.url for endpoint in app.endpoints.read_all()]


def test_another_url_takes_the_place_of_the_one_before(instance: Instances) -> None:
    first = put(instance(), 1, name="first")
    second = put(instance(), 2)
    assert (first.new, second.new) == (True, False)
    assert second.dropped == (endpoint_id(url_of(1)),)
    assert urls(instance()) == [url_of(2)]
    assert second.endpoint.name is None
    assert second.endpoint.secret == first.endpoint.secret, "its receiver knows that one"


def test_repeating_a_call_changes_nothing(instance: Instances) -> None:
    first = put(instance(), 1).endpoint
    again = put(instance(), 1)
    assert (again.new, again.dropped) == (False, ())
    assert again.endpoint.model_copy(update={"key_revision": first.key_revision}) == first
    assert instance().endpoints.read_all() == [again.endpoint]


def test_the_same_key_of_another_owner_is_another_key(instance: Instances) -> None:
    put(instance(), "a")
    put(instance(), "b", owner=BOB)
    assert sorted(urls(instance())) == [url_of("a"), url_of("b")]
    assert unsubscribe(instance().endpoints, BOB, KEY) == (endpoint_id(url_of("b")),)
    assert subscribed(instance().endpoints, BOB, KEY) is None
    assert subscribed(instance().endpoints, ALICE, KEY) is not None


def test_a_url_of_another_owner_is_refused_and_costs_nothing(instance: Instances) -> None:
    put(instance(), "b", owner=BOB)
    kept = put(instance(), "a").endpoint
    assert outcome(instance(), "b") == OthersEndpoint()
    assert subscribed(instance().endpoints, ALICE, KEY) == kept


def test_a_url_that_moves_to_another_key_leaves_the_first_one_empty(instance: Instances) -> None:
    put(instance(), 1)
    put(instance(), 1, key="renamed")
    assert subscribed(instance().endpoints, ALICE, KEY) is None
    assert urls(instance()) == [url_of(1)]


def test_what_is_full_can_still_be_replaced(instance: Instances, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "MOST_ENDPOINTS", 2 + RESERVED_FOR_ADMINS)
    put(instance(), 1)
    put(instance(), "other", key="other")
    assert put(instance(), 2).dropped
    assert outcome(instance(), 3, key="third") == TooManyEndpoints(2)


def test_unsubscribing_twice_is_harmless(instance: Instances) -> None:
    put(instance(), 1)
    assert len(unsubscribe(instance().endpoints, ALICE, KEY)) == 1
    assert unsubscribe(instance().endpoints, ALICE, KEY) == ()


class Crash(Exception):
    pass


@pytest.mark.parametrize("step", range(2))
def test_what_a_crash_leaves_behind_goes_with_the_next_call(
    instance: Instances, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """After the new endpoint was written, before or after the old one's row is deleted."""
    put(instance(), 1)
    with monkeypatch.context() as patch:
        deletion = Table.remove

        def crash(table: Table, *args: Any) -> Any:
            if step:
                deletion(table, *args)
            raise Crash

        patch.setattr(Table, "remove", crash)
        with pytest.raises(Crash):
            put(instance(), 2)
    assert sorted(urls(instance())) == ([url_of(2)] if step else [url_of(1), url_of(2)])
    current = subscribed(instance().endpoints, ALICE, KEY)
    assert current is not None
    assert current.url == url_of(2), "the newest counts even then"
    put(instance(), 3)
    assert urls(instance()) == [url_of(3)]


@pytest.mark.parametrize("round_number", range(3))
def test_calls_at_the_same_time_leave_exactly_one(instance: Instances, round_number: int) -> None:
    """Some with URLs of their own, some with the same one."""
    put(instance(), "before")
    start = threading.Barrier(6)

    def call(number: int) -> str:
        app = instance()
        start.wait()
        return put(app, number % 4).endpoint.url

    with ThreadPoolExecutor(6) as pool:
        answered = list(pool.map(call, range(6)))
    found = urls(instance())
    assert len(found) == 1
    assert found[0] in answered
    after = put(instance(), "after")
    assert urls(instance()) == [after.endpoint.url], "what comes later wins, whatever happened before"


@pytest.mark.parametrize("step", ["get", "remove"])
def test_an_endpoint_that_was_subscribed_again_is_not_deleted(
    instance: Instances, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The slow call saw URL 1 superseded by its URL 2; before it reads URL 1 again, or before it deletes it, a third
    call subscribes URL 1 anew and deletes URL 2. Deleting by id alone left nothing."""
    put(instance(), 1)
    slow = instance()
    rows, old = slow.endpoints.rows, endpoint_id(url_of(1))
    original = getattr(rows, step)
    meanwhile: Iterator[Callable[[], object]] = iter([lambda: put(instance(), 1)])

    def interrupted(named: str, *more: Any) -> Any:
        for act in meanwhile if named == old else ():
            act()
        return original(named, *more)

    monkeypatch.setattr(rows, step, interrupted)
    put(slow, 2)
    assert urls(instance()) == [url_of(1)]


def test_a_call_that_fails_at_once_leaves_the_old_one(instance: Instances, monkeypatch: pytest.MonkeyPatch) -> None:
    put(instance(), 1)

    def refuse(*_: Any) -> Any:
        raise StorageUnavailable("inserting: storage is out of reach")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "insert", refuse)
        with pytest.raises(StorageUnavailable):
            put(instance(), 2)
    assert urls(instance()) == [url_of(1)]


def test_a_disabled_one_receives_again_once_it_is_subscribed_anew(instance: Instances) -> None:
    app = instance()
    first = put(app, 1).endpoint
    switch_off(app.endpoints, first, THURSDAY + timedelta(hours=1))
    assert put(app, 1, enabled=True).endpoint.receives


def test_what_an_admin_disabled_stays_so_however_it_is_subscribed(instance: Instances) -> None:
    """The owner subscribed anew, as a Logic App does each time that it is saved, and received again."""
    app = instance()
    first = put(app, 1).endpoint
    change_endpoint(app, first.id, Changes({"enabled": False}))
    assert not put(instance(), 1, enabled=True).endpoint.enabled
    second = put(instance(), 2, enabled=True).endpoint
    assert (second.enabled, second.disabled_by_admin) == (False, True)
    assert unsubscribe(instance().endpoints, ALICE, KEY) == ()
    assert not put(instance(), 3).endpoint.enabled
    change_endpoint(app, endpoint_id(url_of(3)), Changes({"enabled": True}))
    assert put(instance(), 4).endpoint.enabled
