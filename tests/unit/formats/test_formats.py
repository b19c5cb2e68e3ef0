"""The bodies of `point` and `spscan`, as the seeds print them, and what holds for all wire formats."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.samples import an_event
from shared.formats import FORMATS
from shared.model import Event, Tenant
from shared.model.catalogue import CATALOGUE
from shared.model.json_text import compact, joined, members, quoted

TOLD_IN = "docs/receivers.md#the-body"

KNOWN_ANSWER = (
    '{"type":"ProvisioningStarted","content":{"name":"Resource Name","type":"MicrosoftTeams",'
    '"requestedOn":"2023-10-05T14:48:00","requesterId":"235ec2cb-0767-40b3-a1de-4da2c42b19e9"},'
    '"meta":{"timeStamp":"2023-10-05T14:48:00","idempotencyKey":"f9ac8355-ddd7-48a3-98fb-9d4142501510"}}'
)
TENANT = Tenant(id="contoso", display_name="Contoso é", microsoft_tenant_id="235ec2cb-0767-40b3-a1de-4da2c42b19e9")

contents = st.dictionaries(
    st.text(max_size=6), st.one_of(st.integers(), st.text(max_size=6), st.lists(st.booleans()), st.none()), max_size=4
)


def from_envelope(envelope: dict[str, Any]) -> Event:
    return an_event(
        type=envelope["type"],
        content=json.dumps(envelope["content"], separators=(",", ":")),
        time_stamp=envelope["meta"]["timeStamp"],
        key=envelope["meta"]["idempotencyKey"],
    )


def point(event: Event) -> str:
    return FORMATS["point"].body(event)[1].decode()


def spscan(event: Event) -> dict[str, Any]:
    return dict(json.loads(FORMATS["spscan"].body(event)[1]))


@pytest.mark.parametrize("name", ["point", "spscan"])
def test_both_formats_are_sent_as_json(name: str) -> None:
    content_type, body = FORMATS[name].body(an_event())
    assert content_type == "application/json"
    assert json.loads(body)


def test_the_known_answer_is_made_byte_for_byte() -> None:
    assert point(from_envelope(json.loads(KNOWN_ANSWER))) == KNOWN_ANSWER


@pytest.mark.parametrize(
    ("kind", "content", "key"),
    [
        (
            "ProvisioningCompleted",
            '{"name":"Resource Name","type":"SharePointSiteCollection",'
            '"url":"https://contoso.sharepoint.com/sites/resourcename","microsoftId":"3b735b14-de6f-4cf8-adc6-da7eaccbdc31"}',
            "854d127b-95c2-4b5f-bb45-7813946dee72",
        ),
        (
            "ProvisioningFailed",
            '{"name":"Resource Name","type":"YammerCommunity","error":"Error Message",'
            '"correlationId":"f65cefa6-01b7-47d6-a2cb-9442d13dd535"}',
            "45285061-1288-4899-b108-ad06cfbbcf6f",
        ),
    ],
)
def test_the_other_samples_of_the_seeds_come_out_as_printed(kind: str, content: str, key: str) -> None:
    event = an_event(
        type=kind, content=content, time_stamp="2023-10-05T14:48:00", key=key, tenant=TENANT, severity="high"
    )
    expected = (
        f'{{"type":"{kind}","content":{content},"meta":{{"timeStamp":"2023-10-05T14:48:00","idempotencyKey":"{key}"}}}}'
    )
    assert point(event) == expected


@given(contents, st.text(max_size=10), st.from_regex(r"\A[A-Za-z0-9_:-]{1,20}\Z"))
def test_a_point_body_reads_back_as_the_event_with_exactly_the_documented_members(
    content: dict[str, Any], kind: str, key: str
) -> None:
    event = an_event(type=kind, content=json.dumps(content), key=key, tenant=TENANT)
    read = json.loads(point(event))
    assert read == {
        "type": kind,
        "content": content,
        "meta": {"timeStamp": event.time_stamp, "idempotencyKey": key},
    }
    assert list(read) == ["type", "content", "meta"]


@given(contents)
def test_content_is_sent_byte_for_byte_as_it_was_received(content: dict[str, Any]) -> None:
    text = json.dumps(content, separators=(",", ":"))
    assert members(point(an_event(content=text)))["content"] == text


def test_numbers_and_escapes_are_not_rewritten() -> None:
    text = r'{"siteUrl":"https:\/\/x","n":1.10,"e":1e3,"u":"\u00e9"}'
    assert f'"content":{text}' in point(an_event(content=text))
    data = members(
        members(FORMATS["spscan"].body(an_event(type="storage.threshold_exceeded", content=text))[1].decode())["data"]
    )
    assert data == {"site_url": r'"https:\/\/x"', "n": "1.10", "e": "1e3", "u": r'"\u00e9"'}


def test_spscan_has_the_members_of_its_guide_with_catalogue_fields_in_snake_case() -> None:
    content = CATALOGUE["storage.threshold_exceeded"].sample
    event = an_event(
        type="storage.threshold_exceeded",
        content=compact(json.dumps({**content, "ownField": 1})),
        severity="high",
        tenant=TENANT,
    )
    assert spscan(event) == {
        "event": "storage.threshold_exceeded",
        "timestamp": event.time_stamp,
        "tenant": {
            "id": "contoso",
            "display_name": "Contoso é",
            "microsoft_tenant_id": "235ec2cb-0767-40b3-a1de-4da2c42b19e9",
        },
        "data": {
            "site_url": "https://contoso.sharepoint.com/sites/hr",
            "current_usage": 25838523252736,
            "quota": 27487790694400,
            "threshold": 90,
            "ownField": 1,
        },
        "severity": "high",
        "event_id": event.key,
    }


@pytest.mark.parametrize("known", CATALOGUE.values(), ids=lambda known: known.name)
def test_spscan_data_keeps_every_value_of_a_catalogue_type(known: Any) -> None:
    event = an_event(type=known.name, content=compact(json.dumps(known.sample)))
    data = spscan(event)["data"]
    assert list(data.values()) == list(known.sample.values())
    assert all(name == name.lower() for name in data)


def test_spscan_leaves_out_what_is_not_known() -> None:
    assert "tenant" not in spscan(an_event())
    assert spscan(an_event(tenant=Tenant(id="contoso")))["tenant"] == {"id": "contoso"}


def test_spscan_leaves_the_fields_of_other_types_as_they_are() -> None:
    assert spscan(an_event(type="custom.x", content='{"siteUrl":1,"Other_Name":2}'))["data"] == {
        "siteUrl": 1,
        "Other_Name": 2,
    }


def test_bodies_are_compact_utf_8() -> None:
    body = FORMATS["spscan"].body(an_event(type="custom.é", content=joined({"ü": quoted("€ 5")}), tenant=TENANT))[1]
    assert "€ 5".encode() in body
    assert b'": ' not in body
    assert b", " not in body.replace("€ 5".encode(), b"")


def test_formats_need_neither_clock_nor_environment() -> None:
    """A body is the same at every attempt."""
    sources = [path.read_text() for path in (Path(__file__).parents[3] / "shared" / "formats").glob("*.py")]
    assert len(sources) > len(FORMATS)
    for source in sources:
        assert not re.search(
            r"\bnow\(|^(import|from) (os|time|random|secrets|uuid|shared\.settings)\b", source, re.MULTILINE
        )
