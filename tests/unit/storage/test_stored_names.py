"""Rows that an earlier version wrote are read, and new ones have the same names: while one version is deployed, the one
before runs beside it."""

import json
from typing import Any

import pytest
from azure.data.tables import TableEntity
from cryptography.fernet import Fernet

from doubles.samples import NOW, TRACE, a_delivery, an_attempt, an_endpoint
from shared.model import Delivery, DeliveryId, Endpoint, Event, Tenant
from shared.storage.cipher import Cipher
from shared.storage.deliveries import delivery_entity, read_delivery
from shared.storage.endpoint_rows import EndpointRows
from shared.storage.events import EventRow, Recipient, event_entity, read_event_row

DELIVERY = (
    '{"type":"custom.test","key":"f9ac8355-ddd7-48a3-98fb-9d4142501510","format":"point","generation":1,'
    f'"event_ms":1795341600000,"traceparent":"{TRACE}","status":"pending","attempts":[{{"number":3,"started_at":'
    '"2026-11-22T10:03:00Z","duration_ms":7,"status":500,"response":"é","token":"token-3"}],"round_start":3,'
    '"next_attempt_at":"2026-11-22T10:00:00Z"}'
)
EVENT = (
    '{"event":{"type":"custom.test","content":"{\\"a\\":1}","time_stamp":"2026-11-22T10:00:00Z","key":"key-1",'
    '"severity":"low","tenant":{"id":"contoso","microsoft_tenant_id":"x"}},"accepted_ms":1795341600000,'
    f'"addressees":[{{"id":"{"B" * 26}","generation":1,"format":"point"}}],"token":"t","fingerprint":"f",'
    f'"traceparent":"{TRACE}"}}'
)
ENDPOINT = (
    '{"generation":1,"types":["*"],"owner":"o","key":"k","turn":3,"name":"SIEM","min_severity":"high",'
    '"created_at":"2026-11-22T10:00:00Z","updated_at":"2026-11-22T10:00:00Z"}'
)


def a_stored_delivery() -> Delivery:
    attempt = an_attempt(3, 500, response="é")
    return a_delivery(attempt, schedule_start=3, next_attempt_at=NOW)


def an_event_row() -> EventRow:
    tenant = Tenant(id="contoso", microsoft_tenant_id="x")
    event = Event(
        type="custom.test",
        content='{"a":1}',
        time_stamp="2026-11-22T10:00:00Z",
        key="key-1",
        severity="low",
        tenant=tenant,
    )
    return EventRow(
        event=event,
        accepted_ms=1795341600000,
        recipients=(Recipient(id="B" * 26, generation=1, format="point"),),
        token="t",
        fingerprint="f",
        traceparent=TRACE,
    )


def test_a_delivery_has_the_names_of_the_first_rows() -> None:
    delivery = a_stored_delivery()
    entity = delivery_entity("p", DeliveryId(1795341600000, "A" * 26, "B" * 26), delivery)
    assert json.loads(str(entity["Row"], "utf-8")) == json.loads(DELIVERY)  # type: ignore[arg-type]
    assert read_delivery(TableEntity({"Row": DELIVERY.encode()})) == delivery


def test_an_event_has_the_names_of_the_first_rows() -> None:
    entity: Any = event_entity(an_event_row())
    assert entity["Row0"].decode() == EVENT
    assert read_event_row({"Row0": EVENT.encode()}) == an_event_row()


@pytest.fixture
def rows() -> EndpointRows:
    return EndpointRows(Cipher([Fernet.generate_key().decode()]))


def test_an_endpoint_has_the_names_of_the_first_rows(rows: EndpointRows) -> None:
    endpoint: Endpoint = an_endpoint(owner="o", key="k", key_revision=3, name="SIEM", min_severity="high")
    columns: Any = rows.columns(endpoint)
    assert json.loads(columns["Row0"]) == json.loads(ENDPOINT)
    entity = TableEntity({**columns, "Row0": ENDPOINT.encode(), "RowKey": endpoint.id})
    entity._metadata = {"etag": "1", "timestamp": None}
    assert rows.endpoint(entity, None) == endpoint
