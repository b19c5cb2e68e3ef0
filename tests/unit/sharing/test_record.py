"""Contents of the feed as bytes, and the records in them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.audit_records import a_record, audit_id
from shared.sharing.record import (
    ContentUnreadable,
    SharingRecord,
    Unreadable,
    is_about_sharing,
    read_event_data,
    read_record,
    records_of,
)

objects = st.lists(st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=9), st.integers(), st.none())))


@given(objects, st.sampled_from([None, 2]), st.sampled_from(["", "\ufeff"]))
def test_records_come_one_by_one_however_the_array_is_laid_out(
    values: list[Any], indent: int | None, mark: str
) -> None:
    assert list(records_of((mark + json.dumps(values, indent=indent)).encode())) == values


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b'[{"a":1}',
        b'[{"a":1},',
        b'[{"a":1}{"b":2}]',
        b'{"a":1}',
        b"null",
        b"\xff",
        b'["a" : 1]',
        b"[" * 99999,
    ],
)
def test_a_content_that_is_no_array_or_is_cut_off_is_named(content: bytes) -> None:
    with pytest.raises(ContentUnreadable):
        list(records_of(content))


def test_what_is_no_record_is_passed_over() -> None:
    assert list(records_of(b' [ 1, null, {"a":1} , "b" ] ')) == [{"a": 1}]


@pytest.mark.parametrize(
    ("kind", "operation", "about"),
    [
        (14, "SharingSet", True),
        ("14", "SharingSet", True),
        (14, "SomethingNew", True),
        (4, "SiteCollectionAdminAdded", True),
        (4, "SiteLocksChanged", False),
        (6, "FileAccessed", False),
        ("SharePointFileOperation", "FileAccessed", False),
        (None, "SharingSet", False),
    ],
)
def test_most_records_are_about_something_else(kind: object, operation: str, about: bool) -> None:
    assert is_about_sharing({"RecordType": kind, "Operation": operation}) == about


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<Permissions granted>Full Control</Permissions granted>", {"permissionsgranted": "Full Control"}),
        ("<PermissionsGranted>Read</PermissionsGranted>", {"permissionsgranted": "Read"}),
        (
            "<Type>Edit</Type><MembersCanShareApplied>False</MembersCanShareApplied>",
            {"type": "Edit", "memberscanshareapplied": "False"},
        ),
        ("<Group>R&amp;D &lt;core&gt; Members</Group>", {"group": "R&D <core> Members"}),
        ("<Type>Edit</Type><Type>View</Type>", {"type": "Edit"}),
        ("<Type>Edit", {}),
        ("", {}),
    ],
)
def test_event_data_is_no_xml(text: str, found: dict[str, str]) -> None:
    assert read_event_data(text) == found


@pytest.mark.parametrize("at", [None, "", "yesterday", "0001-01-01T00:00:00", 20261120, "2026-11-20T09:58:12+01:99"])
def test_a_record_without_a_time_is_named_and_never_told_as_now(at: object) -> None:
    assert isinstance(read_record(a_record("SharingSet", CreationTime=at)), Unreadable)


@pytest.mark.parametrize("at", ["2026-11-20T09:58:12", "2026-11-20T09:58:12Z", "2026-11-20T10:58:12+01:00"])
def test_a_time_without_a_zone_is_utc(at: str) -> None:
    record = read_record(a_record("SharingSet", CreationTime=at))
    assert isinstance(record, SharingRecord)
    assert record.created_at.isoformat() == "2026-11-20T09:58:12+00:00"


def test_a_record_without_an_id_has_one_that_is_always_the_same() -> None:
    def id_of(**members: Any) -> str:
        record = read_record(a_record("SharingSet", **members))
        assert isinstance(record, SharingRecord)
        return record.id

    assert id_of() == audit_id(1)
    assert id_of(Id=audit_id(10).upper()) == audit_id(10)
    assert id_of(Id=None) == id_of(Id=None) != id_of(Id="")
    assert id_of(Id=None) != id_of(Id=None, UserId="leo@contoso.example")
    assert id_of(Id="../../etc")[0] == "x"


def test_item_types_are_text_on_the_wire_and_numbers_in_the_schema() -> None:
    for value, expected in (
        (1, "File"),
        ("Folder", "Folder"),
        (9, "DocumentLibrary"),
        (77, "77"),
        (None, ""),
        (True, ""),
    ):
        record = read_record(a_record("SharingSet", ItemType=value))
        assert isinstance(record, SharingRecord)
        assert record.item_type == expected
