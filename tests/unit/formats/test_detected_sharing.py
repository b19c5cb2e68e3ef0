"""What the app detects of sharing says more than the catalogue asks for: every wire format shows it."""

from typing import Any

import pytest

from doubles.audit_records import DOMAINS, LINK, a_record
from doubles.format_events import OWN_FORMATS, TENANT, make, read
from shared.model import Event, utc_text
from shared.model.json_text import dump
from shared.sharing.mapping import SharingEvent, map_record
from shared.sharing.record import SharingRecord, read_record


def detected() -> Event:
    named: dict[str, Any] = {"TargetUserOrGroupName": "zoe@fabrikam.example", "TargetUserOrGroupType": "Guest"}
    raw = a_record("AddedToSecureLink", EventData="<Type>Edit</Type>", UniqueSharingId=LINK, **named)
    record = read_record(raw)
    assert isinstance(record, SharingRecord)
    found = map_record(record, DOMAINS)
    assert isinstance(found, SharingEvent)
    return Event(
        type=found.type,
        content=dump(found.content),
        time_stamp=utc_text(found.at),
        key=found.key,
        severity=found.severity,
        tenant=TENANT,
    )


@pytest.mark.parametrize("name", sorted({"point", "spscan", *OWN_FORMATS} - {"template"}))
def test_each_format_says_who_shared_what_with_whom_and_from_where(name: str) -> None:
    body = make(name, detected())[1].decode()
    for told in ("zoe@fabrikam.example", "mia@contoso.example", "203.0.113.9", "AddedToSecureLink", LINK, "Plan.docx"):
        assert told in body.replace("\\", ""), told


def test_in_spscan_the_catalogues_fields_are_in_its_words_and_the_others_stay() -> None:
    data = read("spscan", detected())["data"]
    assert (data["resource_path"], data["access_level"]) == ("/sites/quay/Shared Documents/Plan.docx", "Edit")
    assert (data["occurredAt"], data["clientIp"]) == ("2026-11-20T09:58:12Z", "203.0.113.9")


def test_a_message_for_people_names_the_fields_as_people_do() -> None:
    body = make("slack", detected())[1].decode()
    for label in ("Client IP", "Occurred at", "Link ID", "Item type", "Actor"):
        assert label in body
