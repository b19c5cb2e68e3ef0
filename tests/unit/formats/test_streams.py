"""CloudEvents and Splunk: what their readers rely on."""

import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from doubles.format_events import compact_json, events, make, read, sample_of
from shared.formats import FORMATS, cloudevents, splunk_hec
from shared.model import Event, Tenant

EVENT = sample_of("storage.threshold_exceeded")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def test_a_cloudevent_is_structured_json() -> None:
    content_type, body = make("cloudevents", EVENT)
    assert content_type == "application/cloudevents+json; charset=utf-8"
    assert body.startswith(b'{"specversion":"1.0","id":"hr-90-7","source":"/tenants/contoso",')


@pytest.mark.parametrize(
    ("time_stamp", "time"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("2023-10-05T14:48:00", "2023-10-05T14:48:00Z"),
        ("2023-10-05T14:48", "2023-10-05T14:48:00Z"),
        ("2023-10-05T14:48Z", "2023-10-05T14:48:00Z"),
        ("2023-10-05T14:48+05:30", "2023-10-05T14:48:00+05:30"),
        ("2023-10-05T14:48:00.1234567-08:00", "2023-10-05T14:48:00.1234567-08:00"),
    ],
)
def test_times_of_cloudevents_are_rfc_3339(time_stamp: str, time: str) -> None:
    assert read("cloudevents", sample_of("ProvisioningFailed", time_stamp=time_stamp))["time"] == time
    assert RFC_3339.fullmatch(time)


@given(events)
def test_any_time_stays_the_same_instant(event: Event) -> None:
    text = cloudevents.rfc3339(event.time_stamp)
    assert RFC_3339.fullmatch(text)
    given_time, made = datetime.fromisoformat(event.time_stamp), datetime.fromisoformat(text)
    assert made.replace(tzinfo=None) == given_time.replace(tzinfo=None)
    assert made.tzinfo is not None
    assert given_time.tzinfo is None or made.utcoffset() == given_time.utcoffset()


def test_source_type_and_tenant_can_be_told_apart() -> None:
    tenant = Tenant(id="con/toso ü", display_name="Contoso\u0007", microsoft_tenant_id=None)
    body = read("cloudevents", sample_of("permission.granted", tenant=tenant), {})
    assert body["source"] == "/tenants/con%2Ftoso%20%C3%BC"
    assert (body["tenantid"], body["tenantname"]) == ("con/toso ü", "Contoso")
    assert "microsofttenantid" not in body
    assert body["type"] == "permission.granted"
    body = read("cloudevents", EVENT, {"source": "https://contoso.example/hooks", "typePrefix": "com.contoso."})
    assert body["source"] == "https://contoso.example/hooks"
    assert body["type"] == "com.contoso.storage.threshold_exceeded"
    assert body["subject"] == "https://contoso.sharepoint.com/sites/hr"
    assert read("cloudevents", sample_of("custom.x", tenant=None), {})["source"] == "/tenants/unknown"


def test_a_receiver_is_asked_for_consent_where_its_owner_wants_that() -> None:
    assert cloudevents.consent(cloudevents.Settings(), "hooks.example") is None
    assert cloudevents.consent(cloudevents.Settings(handshake=True), "hooks.example") == "hooks.example"
    assert FORMATS["cloudevents"].consent is cloudevents.consent


@pytest.mark.parametrize(
    "settings", [{"source": ""}, {"source": "a b"}, {"typePrefix": "com contoso"}, {"handshake": 1}]
)
def test_wrong_settings_of_cloudevents_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cloudevents.Settings.model_validate_json(compact_json(settings), strict=True)


@pytest.mark.parametrize(
    ("time_stamp", "epoch"),
    [
        ("2026-11-22T10:00:00Z", "1795341600.000"),
        ("2026-11-22T10:00:00.1239", "1795341600.124"),
        ("2026-11-22T10:00+05:30", "1795321800.000"),
        ("1969-12-31T23:59:59.5Z", "-0.500"),
    ],
)
def test_splunk_gets_seconds_since_1970(time_stamp: str, epoch: str) -> None:
    body = make("splunk-hec", sample_of("ProvisioningFailed", time_stamp=time_stamp))[1].decode()
    assert body.startswith(f'{{"time":{epoch},"host":"contoso",')


def test_splunk_metadata_can_be_chosen() -> None:
    def metadata(settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
        body = read("splunk-hec", sample_of("custom.x", **changes), settings)
        return {name: value for name, value in body.items() if name not in ("time", "event")}

    own = {"index": "m365", "host": "hooks", "source": "s", "sourcetype": "t"}
    assert metadata(own) == own
    assert metadata({}) == {"host": "contoso", "source": "tenant-hooks", "sourcetype": "tenant_hooks:event"}
    assert metadata({}, tenant=None)["host"] == "tenant-hooks"


def test_splunk_finds_everything_under_event() -> None:
    inner = read("splunk-hec", EVENT)["event"]
    assert list(inner) == ["type", "severity", "tenant", "timeStamp", "idempotencyKey", "content"]
    assert inner["tenant"] == {
        "id": "contoso",
        "displayName": "Contoso",
        "microsoftTenantId": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
    }
    with pytest.raises(ValidationError):
        splunk_hec.Settings.model_validate_json('{"index":""}', strict=True)
