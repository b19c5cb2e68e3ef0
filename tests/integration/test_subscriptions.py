"""Subscriptions by a key: however calls overlap or break off, a key stands for one endpoint."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared.admin.subscriptions import Subscribed, subscribe, subscribed, unsubscribe
from shared.model import Endpoint, endpoint_id
from shared.outbound.signing import make_secret
from shared.storage import endpoints as endpoints_module
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, StorageUnavailable, Table
from shared.storage.endpoints import Endpoints, OthersEndpoint, TooManyEndpoints

from .scene import THURSDAY

ALICE, BOB, KEY = "alice", "bob", "workflow"
Instances = Callable[[], Endpoints]


@pytest.fixture
def instance(services: Services, cipher: Cipher) -> Instances:
    """Each call is another instance of the app: nothing in memory is shared."""
    return lambda: Endpoints(services, cipher)


def url_of(name: object) -> str:
    return f"https://workflow.example/{name}?sig=hidden"


def put(endpoints: Endpoints, name: object, /, owner: str = ALICE, key: str = KEY, **given: Any) -> Subscribed:
    asked = {"types": ("*",)} | given
    return subscribe(endpoints, owner, key, url_of(name), make_secret(), asked, THURSDAY, lambda _, after: after)


def urls(endpoints: Endpoints) -> list[str]:
    return [endpoint.url for endpoint in endpoints.read_all()]


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
    assert again.endpoint.model_copy(update={"turn": first.turn}) == first
    assert instance().read_all() == [again.endpoint]


def test_the_same_key_of_another_owner_is_another_key(instance: Instances) -> None:
    put(instance(), "a")
    put(instance(), "b", owner=BOB)
    assert sorted(urls(instance())) == [url_of("a"), url_of("b")]
    assert unsubscribe(instance(), BOB, KEY) == (endpoint_id(url_of("b")),)
    assert subscribed(instance(), BOB, KEY) is None
    assert subscribed(instance(), ALICE, KEY) is not None


def test_a_url_of_another_owner_is_refused_and_costs_nothing(instance: Instances) -> None:
    put(instance(), "b", owner=BOB)
    kept = put(instance(), "a").endpoint
    with pytest.raises(OthersEndpoint):
        put(instance(), "b")
    assert subscribed(instance(), ALICE, KEY) == kept


def test_a_url_that_moves_to_another_key_leaves_the_first_one_empty(instance: Instances) -> None:
    put(instance(), 1)
    put(instance(), 1, key="renamed")
    assert subscribed(instance(), ALICE, KEY) is None
    assert urls(instance()) == [url_of(1)]


def test_what_is_full_can_still_be_replaced(instance: Instances, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints_module, "MOST_ENDPOINTS", 2)
    put(instance(), 1)
    put(instance(), "other", key="other")
    assert put(instance(), 2).dropped
    with pytest.raises(TooManyEndpoints):
        put(instance(), 3, key="third")


def test_unsubscribing_twice_is_harmless(instance: Instances) -> None:
    put(instance(), 1)
    assert len(unsubscribe(instance(), ALICE, KEY)) == 1
    assert unsubscribe(instance(), ALICE, KEY) == ()


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
    current = subscribed(instance(), ALICE, KEY)
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
        endpoints = instance()
        start.wait()
        return put(endpoints, number % 4).endpoint.url

    with ThreadPoolExecutor(6) as pool:
        answered = list(pool.map(call, range(6)))
    found = urls(instance())
    assert len(found) == 1
    assert found[0] in answered
    after = put(instance(), "after")
    assert urls(instance()) == [after.endpoint.url], "what comes later wins, whatever happened before"


class Interrupted(Endpoints):
    """An instance that stops at the moment when it has decided to delete what it saw."""

    def __init__(self, services: Services, cipher: Cipher, meanwhile: Callable[[], object]) -> None:
        super().__init__(services, cipher)
        self._meanwhile: Iterator[Callable[[], object]] = iter([meanwhile])

    def drop(self, superseded: Endpoint) -> bool:
        for act in self._meanwhile:
            act()
        return super().drop(superseded)


def test_an_endpoint_that_was_subscribed_again_is_not_deleted(
    instance: Instances, services: Services, cipher: Cipher
) -> None:
    """The slow call saw URL 1 superseded by its URL 2; before it deletes URL 1, a third call subscribes URL 1 anew and
    deletes URL 2. Deleting by id alone left nothing."""
    put(instance(), 1)
    put(Interrupted(services, cipher, lambda: put(instance(), 1)), 2)
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
    endpoints = instance()
    first = put(endpoints, 1).endpoint
    endpoints.disable(first, "the receiver answered 410 Gone", THURSDAY + timedelta(hours=1))
    assert put(endpoints, 1, enabled=True).endpoint.receives
