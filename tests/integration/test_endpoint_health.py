"""How an endpoint fares: a row of its own, that late and stale instances cannot spoil."""

import pytest

from doubles.registering import fail, modify, succeed, switch_off
from shared.storage.cipher import Cipher
from shared.storage.clients import Services
from shared.storage.endpoints import Endpoints

from .scene import THURSDAY
from .test_endpoints import LATER, register, stored


@pytest.fixture
def endpoints(services: Services, cipher: Cipher) -> Endpoints:
    return Endpoints(services, cipher)


@pytest.fixture
def elsewhere(services: Services, cipher: Cipher) -> Endpoints:
    """The same table seen by another instance."""
    return Endpoints(services, cipher)


def test_health_of_an_earlier_registration_is_not_believed(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    old = register(endpoints)
    endpoints.delete(old.id)
    new = register(endpoints, at=LATER)
    switch_off(elsewhere, old, LATER)
    assert stored(endpoints, new.id).receives


def test_health_is_a_row_of_its_own(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    first = register(endpoints)
    stale = stored(elsewhere, first.id)
    modify(endpoints, first.id, LATER, name="changed meanwhile")
    fail(elsewhere, stale, "delivery-1", THURSDAY)
    found = stored(endpoints, first.id)
    assert found.name == "changed meanwhile"
    assert (found.health.state, found.health.first_failure_at, found.health.last_error) == (
        "failing",
        THURSDAY,
        "timed out",
    )


def test_a_failing_time_begins_once_and_a_success_ends_it(endpoints: Endpoints) -> None:
    first = register(endpoints)
    fail(endpoints, first, "delivery-1", THURSDAY)
    fail(endpoints, stored(endpoints, first.id), "delivery-2", LATER, "connection refused")
    failing = stored(endpoints, first.id)
    assert (failing.health.first_failure_at, failing.health.last_error) == (THURSDAY, "connection refused")
    succeed(endpoints, failing, LATER)
    healthy = stored(endpoints, first.id).health
    assert (healthy.state, healthy.last_success_at, healthy.last_error) == ("healthy", LATER, None)
    assert healthy.exhausted == ()


def test_exhausted_deliveries_are_counted_once_each_whoever_tells(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    first = register(endpoints)
    for name in ("delivery-1", "delivery-2", "delivery-1"):
        for instance in (endpoints, elsewhere):
            fail(instance, first, name, THURSDAY)
    assert stored(endpoints, first.id).health.exhausted == ("delivery-1", "delivery-2")


def test_enabling_clears_a_disabled_state_and_other_changes_do_not(endpoints: Endpoints) -> None:
    first = register(endpoints)
    switch_off(endpoints, first, LATER)
    modify(endpoints, first.id, LATER, name="x")
    register(endpoints, at=LATER)
    assert not stored(endpoints, first.id).receives
    modify(endpoints, first.id, LATER, enabled=True)
    assert stored(endpoints, first.id).receives


@pytest.mark.parametrize("late_write", ["fail", "succeed"])
def test_an_endpoint_disabled_elsewhere_is_not_enabled_by_a_stale_instance(
    endpoints: Endpoints, elsewhere: Endpoints, late_write: str
) -> None:
    first = register(endpoints)
    fail(endpoints, first, "delivery-1", THURSDAY)
    stale = stored(elsewhere, first.id)
    switch_off(endpoints, stored(endpoints, first.id), LATER)
    if late_write == "fail":
        fail(elsewhere, stale, "delivery-2", THURSDAY, "connection refused")
    else:
        succeed(elsewhere, stale, LATER)
    assert not stored(endpoints, first.id).receives


def test_of_several_reasons_to_disable_the_first_stands(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    first = register(endpoints)
    disabled = switch_off(endpoints, first, THURSDAY)
    assert switch_off(elsewhere, first, LATER, "no success").health == disabled.health
    assert (disabled.health.disabled_reason, disabled.health.disabled_at) == (
        "410 Gone",
        THURSDAY,
    )


def test_health_of_an_older_generation_is_written_nowhere(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    """A late dispatcher replaced the health of the registration that came after."""
    old = register(endpoints)
    endpoints.delete(old.id)
    new = register(endpoints, at=LATER)
    fail(endpoints, new, "delivery-1", LATER)
    before = stored(endpoints, new.id)
    fail(elsewhere, old, "delivery-0", THURSDAY, "connection refused")
    succeed(elsewhere, old, THURSDAY)
    switch_off(elsewhere, old, LATER)
    assert stored(endpoints, new.id) == before
