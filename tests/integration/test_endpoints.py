"""Registered receivers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from urllib3 import PoolManager
from urllib3.exceptions import ProtocolError

from doubles import registering
from doubles.registering import modify, switch_off
from shared.model import Endpoint, endpoint_id
from shared.settings import SettingsError
from shared.storage import snapshot
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, StorageUnavailable, Written
from shared.storage.endpoints import Endpoints

from .conftest import Calls
from .scene import THURSDAY, URL

LATER = THURSDAY + timedelta(hours=1)


@pytest.fixture
def endpoints(services: Services, cipher: Cipher) -> Endpoints:
    return Endpoints(services, cipher)


@pytest.fixture
def elsewhere(services: Services, cipher: Cipher) -> Endpoints:
    """The same table seen by another instance."""
    return Endpoints(services, cipher)


def register(endpoints: Endpoints, url: str = URL, at: datetime = THURSDAY, **given: Any) -> Endpoint:
    return registering.register(endpoints, url, at, **given)


def stored(endpoints: Endpoints, identity: str) -> Endpoint:
    """As a fresh read of storage shows it, alone and among all."""
    endpoint = endpoints.read(identity)
    assert endpoint is not None
    assert endpoint in endpoints.read_all()
    return endpoint


def test_what_is_registered_is_read_back_by_its_id(endpoints: Endpoints) -> None:
    endpoint = register(endpoints, types=("storage.*",), min_severity="high", key="mine", key_revision=3)
    assert stored(endpoints, endpoint_id(URL)) == endpoint
    assert endpoints.get("A" * 26) is None
    assert endpoints.read("A" * 26) is None


def test_who_was_late_changes_nothing(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    first = register(endpoints)
    stale = elsewhere.rows.get(first.id)
    assert stale is not None
    modify(endpoints, first.id, LATER, name="changed meanwhile")
    late = first.model_copy(update={"name": "late"})
    assert elsewhere.rows.insert(first.id, late) is Written.CONFLICT
    assert elsewhere.rows.replace(first.id, late, stale.etag) is Written.CONFLICT
    assert elsewhere.rows.remove(first.id, stale.etag) is Written.CONFLICT
    assert stored(endpoints, first.id).name == "changed meanwhile"


def test_a_registration_after_a_deletion_is_a_new_generation_in_good_health(endpoints: Endpoints) -> None:
    first = register(endpoints)
    switch_off(endpoints, first, LATER)
    assert endpoints.delete(first.id)
    assert not endpoints.delete(first.id)
    assert endpoints.get(first.id) is None
    second = register(endpoints, at=LATER)
    assert second.generation > first.generation
    assert second.secret != first.secret
    assert stored(endpoints, first.id).health.state == "healthy"


def test_a_list_is_in_the_order_of_registration(endpoints: Endpoints) -> None:
    urls = [f"https://receiver.example/{number}" for number in (3, 1, 2)]
    for minutes, url in enumerate(urls):
        register(endpoints, url, THURSDAY + timedelta(minutes=minutes))
    assert [endpoint.url for endpoint in endpoints.read_all()] == urls


# The snapshot


def test_reads_come_from_a_snapshot_that_is_refreshed_within_5_seconds(
    endpoints: Endpoints, elsewhere: Endpoints, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert snapshot.CACHE_SECONDS < 5
    first = register(endpoints)
    assert elsewhere.get(first.id)
    calls.clear()
    assert [elsewhere.get(first.id) for _ in range(50)] == [first] * 50
    assert elsewhere.all() == [first]
    assert calls == []
    modify(endpoints, first.id, LATER, enabled=False)
    assert elsewhere.all()[0].enabled
    monkeypatch.setattr(snapshot, "CACHE_SECONDS", -1.0)
    assert not elsewhere.all()[0].enabled


def test_a_write_is_seen_at_once_by_the_process_that_made_it(endpoints: Endpoints) -> None:
    assert endpoints.all() == []
    first = register(endpoints)
    assert endpoints.all() == [first]
    modify(endpoints, first.id, LATER, name="x")
    assert endpoints.all()[0].name == "x"
    switch_off(endpoints, endpoints.all()[0], LATER)
    assert not endpoints.all()[0].receives
    endpoints.delete(first.id)
    assert endpoints.all() == []


def test_rows_that_have_not_changed_are_not_read_again_in_full(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand endpoints of 55 KB took seconds and gigabytes, every few seconds."""
    first, second = register(endpoints), register(endpoints, f"{URL}2")
    before = {each.id: each for each in endpoints.read_all()}
    modify(endpoints, second.id, LATER, name="x")
    opened: list[str] = []
    original = Cipher.decrypt

    def decrypt(cipher: Cipher, *given: str) -> str:
        opened.append(given[0])
        return original(cipher, *given)

    monkeypatch.setattr(Cipher, "decrypt", decrypt)
    after = {each.id: each for each in endpoints.read_all()}
    assert after[first.id] is before[first.id]
    assert after[second.id].name == "x"
    assert len(opened) == 2
    switch_off(endpoints, first, LATER)
    assert not {each.id: each for each in endpoints.read_all()}[first.id].receives


def test_many_who_find_the_snapshot_old_ask_storage_once(
    endpoints: Endpoints, elsewhere: Endpoints, calls: Calls
) -> None:
    first = register(endpoints)
    calls.clear()
    start = threading.Barrier(8)

    def read(_: int) -> Endpoint | None:
        start.wait()
        return elsewhere.get(first.id)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(read, range(8))) == [first] * 8
    assert len(calls) == 1


def test_a_table_of_hundreds_is_read_whole_in_the_order_of_nothing_lost(endpoints: Endpoints) -> None:
    urls = {f"https://receiver.example/{number}" for number in range(60)}
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda url: register(endpoints, url), urls))
    assert {endpoint.url for endpoint in endpoints.read_all()} == urls


# Secrets


def test_a_leaked_table_gives_no_url_and_no_secret(endpoints: Endpoints, services: Services) -> None:
    first = register(endpoints, name="SIEM")
    rows = list(services.table("endpoints").query("PartitionKey ne @nothing", {"nothing": ""}))
    text = repr([dict(row) for row in rows])
    assert "SIEM" in text
    for hidden in ("receiver.example", "hidden", first.secret, first.secret.removeprefix("whsec_")):
        assert hidden not in text


def test_a_key_that_does_not_fit_says_so(endpoints: Endpoints, services: Services) -> None:
    register(endpoints)
    with pytest.raises(SettingsError, match="SECRETS_KEY"):
        Endpoints(services, Cipher([Fernet.generate_key().decode()])).all()


def test_storage_out_of_reach_is_said_without_keys_or_addresses(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **more: object) -> None:
        raise ProtocolError("http://127.0.0.1:1/?sig=hidden")

    monkeypatch.setattr(PoolManager, "urlopen", refuse)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(StorageUnavailable, match="out of reach") as caught:
        endpoints.all()
    assert "hidden" not in str(caught.value)
