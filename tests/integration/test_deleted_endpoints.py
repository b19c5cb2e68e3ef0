"""The logs name an endpoint as long as they speak of it, also after it was deleted."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet

from shared.api import deliveries
from shared.model import Endpoint
from shared.settings import Settings
from shared.storage.cipher import Cipher
from shared.storage.clients import Services, StorageUnavailable, Table
from shared.storage.deleted_endpoints import DeletedEndpoints, EndpointName
from shared.storage.retention import forget_names

from .api import Api
from .conftest import KEY, Calls
from .scene import BUSY, Scene, an_event


def failed(api: Api) -> Endpoint:
    """An endpoint with a delivery in the alert log."""
    api.scene.receiver.answers = [BUSY]
    endpoint = api.scene.register(name="SIEM")
    api.scene.publish(an_event())
    api.scene.run()
    return endpoint


def named(api: Api, endpoint: Endpoint) -> list[tuple[str | None, str | None]]:
    """What the delivery log, the alert log and the delivery itself call it."""
    [line] = api(deliveries.list_some, endpoint=endpoint.id).body["value"]
    [alert] = api(deliveries.list_some, status="failed").body["value"]
    delivery = api(deliveries.get, route=line["id"]).body
    return [(each.get("endpointName"), each.get("host")) for each in (line, alert, delivery)]


def test_the_logs_name_an_endpoint_and_its_host_also_after_it_was_deleted(api: Api) -> None:
    endpoint = failed(api)
    expected = [("SIEM", endpoint.host)] * 3
    assert named(api, endpoint) == expected
    assert api.scene.app.endpoints.delete(endpoint.id)
    assert named(api, endpoint) == expected


def test_one_that_is_superseded_keeps_its_name_too(api: Api) -> None:
    endpoint = failed(api)
    stored = api.scene.app.endpoints.rows.get(endpoint.id)
    assert stored is not None
    api.scene.app.endpoints.rows.remove(endpoint.id, stored.etag)
    assert named(api, endpoint) == [("SIEM", endpoint.host)] * 3


def test_many_are_named(scene: Scene) -> None:
    endpoints = [scene.register(f"https://r{number}.example/", name=str(number)) for number in range(25)]
    for each in endpoints[1:]:
        scene.app.endpoints.delete(each.id)
    found = scene.app.endpoints.names([each.id for each in endpoints])
    assert found == {each.id: EndpointName(each.name, each.host) for each in endpoints}


def test_a_page_reads_the_names_that_it_wants_and_no_others(scene: Scene, calls: Calls) -> None:
    """A page of four unknown endpoints read all that were ever deleted: 211 MB of 300,000."""
    endpoints = [scene.register(f"https://r{number}.example/") for number in range(12)]
    for each in endpoints:
        scene.app.endpoints.delete(each.id)
    wanted = [each.id for each in endpoints[:5]]
    calls.clear()
    assert scene.app.endpoints.deleted.names([*wanted, *wanted, "A" * 26]).keys() == set(wanted)
    read = [f"endpoints(PartitionKey='deleted',RowKey='{each}')" for each in [*wanted, "A" * 26]]
    assert sorted(calls) == sorted(("GET", each) for each in read)


def test_a_name_is_noted_before_the_endpoint_is_gone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = scene.register(name="SIEM")

    def fail(self: Table, partition: str, row: str) -> None:
        raise StorageUnavailable("deleting from endpoints: storage is out of reach")

    monkeypatch.setattr(Table, "delete", fail)
    with pytest.raises(StorageUnavailable):
        scene.app.endpoints.delete(endpoint.id)
    assert scene.app.endpoints.deleted.names([endpoint.id]) == {endpoint.id: EndpointName("SIEM", endpoint.host)}


@pytest.fixture
def table(services: Services) -> Table:
    table = services.table("endpoints")
    table.create()
    return table


def test_a_leaked_table_tells_no_name_and_another_key_no_error(scene: Scene, table: Table) -> None:
    endpoint = scene.register(name="SIEM")
    DeletedEndpoints(table, Cipher([KEY])).note(endpoint)
    [row] = table.query("PartitionKey eq @partition", {"partition": "deleted"})
    assert "SIEM" not in str(row)
    assert endpoint.host not in str(row)
    assert DeletedEndpoints(table, Cipher([Fernet.generate_key().decode()])).names([endpoint.id]) == {}


def test_names_are_under_the_first_key_after_reencryption(scene: Scene, table: Table) -> None:
    endpoint = scene.register(name="SIEM")
    DeletedEndpoints(table, Cipher([KEY])).note(endpoint)
    first = Fernet.generate_key().decode()
    rotated = DeletedEndpoints(table, Cipher([first, KEY]))
    assert [rotated.reencrypt(), rotated.reencrypt()] == [1, 0]
    assert DeletedEndpoints(table, Cipher([first])).names([endpoint.id]).keys() == {endpoint.id}


def test_a_name_is_forgotten_when_no_log_can_speak_of_it(scene: Scene, settings: Settings) -> None:
    endpoint = scene.register(name="SIEM")
    scene.app.endpoints.delete(endpoint.id)
    deleted, now = scene.app.endpoints.deleted, datetime.now(UTC)  # storage has a clock of its own
    kept = settings.retention + timedelta(days=14)
    assert forget_names(deleted, now + kept, settings.retention) == 0
    assert deleted.names([endpoint.id])
    assert forget_names(deleted, now + kept + timedelta(days=8), settings.retention) == 1
    assert deleted.names([endpoint.id]) == {}
