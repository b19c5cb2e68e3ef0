"""Registered receivers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from urllib3 import PoolManager
from urllib3.exceptions import ProtocolError

from shared.model import Endpoint, endpoint_id, to_ms
from shared.outbound.signing import make_secret
from shared.settings import SettingsError
from shared.storage import endpoints as endpoints_module
from shared.storage import snapshot
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, StorageUnavailable
from shared.storage.endpoints import Endpoints, TooManyEndpoints

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


def register(endpoints: Endpoints, url: str = URL, at: Any = THURSDAY, **given: Any) -> Endpoint:
    return endpoints.register(url, make_secret(), {"types": ("*",)} | given, at)[0]


def stored(endpoints: Endpoints, identity: str) -> Endpoint:
    """As a fresh read of storage shows it, alone and among all."""
    endpoint = endpoints.read(identity)
    assert endpoint is not None
    assert endpoint in endpoints.read_all()
    return endpoint


def test_a_url_is_registered_once_and_found_by_its_id(endpoints: Endpoints) -> None:
    secret = make_secret()
    endpoint, new = endpoints.register(URL, secret, {"types": ("storage.*",), "min_severity": "high"}, THURSDAY)
    assert new
    assert endpoint.id == endpoint_id(URL)
    assert (endpoint.url, endpoint.secret, endpoint.generation) == (URL, secret, to_ms(THURSDAY))
    assert stored(endpoints, endpoint.id) == endpoint
    assert endpoints.get("A" * 26) is None


def test_registering_again_keeps_what_is_not_said(endpoints: Endpoints) -> None:
    first = register(endpoints, name="SIEM", min_severity="high", tenants=("contoso",), sites=("https://x/*",))
    again, new = endpoints.register(URL, make_secret(), {"types": ("storage.*",), "name": "Jira"}, LATER)
    assert not new
    expected = first.model_copy(update={"types": ("storage.*",), "name": "Jira", "updated_at": LATER})
    assert again == stored(endpoints, first.id) == expected


def test_the_same_url_in_another_case_of_its_host_is_the_same_endpoint(endpoints: Endpoints) -> None:
    first = register(endpoints, "https://Receiver.Example/Hook")
    again, new = endpoints.register("HTTPS://receiver.example/Hook", make_secret(), {}, LATER)
    assert (again.id, again.url, new) == (first.id, first.url, False)


def test_two_who_register_the_same_url_at_once_make_one_endpoint(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    register(endpoints, "https://other.example/")  # so that the table is there
    start = threading.Barrier(4)

    def run(number: int) -> tuple[Endpoint, bool]:
        start.wait()
        return (endpoints, elsewhere)[number % 2].register(
            URL, make_secret(), {"types": ("*",), "name": str(number)}, LATER
        )

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(run, range(4)))
    assert [new for _, new in results].count(True) == 1
    assert len({endpoint.secret for endpoint, _ in results}) == 1
    assert len(endpoints.read_all()) == 2


def test_a_change_touches_what_it_names(endpoints: Endpoints) -> None:
    first = register(endpoints, name="SIEM")
    changed = endpoints.change(first.id, {"enabled": False}, LATER)
    assert changed == stored(endpoints, first.id) == first.model_copy(update={"enabled": False, "updated_at": LATER})
    assert endpoints.change("A" * 26, {"enabled": False}, LATER) is None


def test_changes_made_at_once_are_all_kept(endpoints: Endpoints, elsewhere: Endpoints) -> None:
    first = register(endpoints)
    start = threading.Barrier(2)
    changes: list[tuple[Endpoints, dict[str, Any]]] = [(endpoints, {"name": "SIEM"}), (elsewhere, {"format": "spscan"})]

    def run(change: tuple[Endpoints, dict[str, Any]]) -> None:
        start.wait()
        change[0].change(first.id, change[1], LATER)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, changes))
    found = stored(endpoints, first.id)
    assert (found.name, found.format) == ("SIEM", "spscan")


def test_a_registration_after_a_deletion_is_a_new_generation_in_good_health(endpoints: Endpoints) -> None:
    first = register(endpoints)
    endpoints.disable(first, "the receiver answered 410 Gone", LATER)
    assert endpoints.delete(first.id)
    assert not endpoints.delete(first.id)
    assert endpoints.get(first.id) is None
    second = register(endpoints, at=LATER)
    assert second.generation > first.generation
    assert second.secret != first.secret
    assert stored(endpoints, first.id).health.state == "healthy"


def test_a_rotated_secret_signs_on_beside_the_new_one_until_its_time(endpoints: Endpoints) -> None:
    first, until = register(endpoints), LATER + timedelta(hours=24)
    rotated = endpoints.rotate_secret(first.id, make_secret(), LATER, until)
    assert rotated == stored(endpoints, first.id)
    assert rotated is not None
    assert rotated.secrets_at(until - timedelta(seconds=1)) == [rotated.secret, first.secret]
    assert rotated.secrets_at(until) == [rotated.secret]
    assert endpoints.rotate_secret("A" * 26, make_secret(), LATER, until) is None


def test_no_more_endpoints_than_the_limit_and_known_ones_still_change(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints_module, "MOST_ENDPOINTS", 2)
    for url in (URL, URL + "2"):
        register(endpoints, url)
    with pytest.raises(TooManyEndpoints):
        register(endpoints, URL + "3")
    assert not endpoints.register(URL, make_secret(), {"name": "x"}, LATER)[1]


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
    endpoints.change(first.id, {"enabled": False}, LATER)
    assert elsewhere.all()[0].enabled
    monkeypatch.setattr(snapshot, "CACHE_SECONDS", -1.0)
    assert not elsewhere.all()[0].enabled


def test_a_write_is_seen_at_once_by_the_process_that_made_it(endpoints: Endpoints) -> None:
    assert endpoints.all() == []
    first = register(endpoints)
    assert endpoints.all() == [first]
    endpoints.change(first.id, {"name": "x"}, LATER)
    assert endpoints.all()[0].name == "x"
    endpoints.disable(endpoints.all()[0], "410", LATER)
    assert not endpoints.all()[0].receives
    endpoints.delete(first.id)
    assert endpoints.all() == []


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
