"""Microsoft Sentinel: rows that the table takes, that no value of it cuts, and that can be joined."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doubles.format_events import compact_json, events, make, read, sample_of
from shared.formats.sentinel import COLUMNS, MOST_BYTES, MOST_FIELD_BYTES, joined
from shared.model import Event, Tenant
from shared.model.catalogue import CATALOGUE
from shared.model.json_text import members


def row(event: Event) -> dict[str, Any]:
    [only] = read("sentinel", event)
    return dict(only)


def content_of(event: Event) -> str:
    """As its text is sent."""
    return members(make("sentinel", event)[1].decode()[1:-1])["Content"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_row_has_every_column_with_a_value_of_its_type(name: str) -> None:
    kinds = {"datetime": str, "string": str, "dynamic": dict, "boolean": bool}
    made = row(sample_of(name))
    assert {column: type(value) for column, value in made.items()} == {
        column: kinds[kind] for column, kind in COLUMNS.items()
    }
    assert made["ContentShortened"] is False


def test_what_is_not_known_is_left_out() -> None:
    made = row(sample_of("custom.x", tenant=None, content="{}"))
    assert COLUMNS.keys() - made.keys() == {"Subject", "SourceTenantId", "SourceTenantName", "MicrosoftTenantId"}
    named = row(sample_of("permission.granted", tenant=Tenant(id="contoso")))
    assert COLUMNS.keys() - named.keys() == {"SourceTenantName", "MicrosoftTenantId"}


def test_content_is_sent_byte_for_byte_while_it_fits() -> None:
    text = r'{"siteUrl":"https:\/\/x","n":1.10,"e":1e3,"u":"\u00e9"}'
    assert content_of(sample_of("custom.x", content=text)) == text


@pytest.mark.parametrize(
    ("time_stamp", "expected"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000000Z"),
        ("2023-10-05T14:48:00", "2023-10-05T14:48:00.000000Z"),
        ("2023-10-05T14:48+05:30", "2023-10-05T09:18:00.000000Z"),
        ("2023-10-05T14:48:00.1234567-08:00", "2023-10-05T22:48:00.123456Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.123456789-14:00", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_utc_with_six_decimals(time_stamp: str, expected: str) -> None:
    made = row(sample_of("custom.x", time_stamp=time_stamp))
    assert made["TimeGenerated"] == made["EventTime"] == expected


def test_the_largest_members_make_room_for_the_others() -> None:
    small = {"siteUrl": "https://contoso.sharepoint.com/sites/hr", "principal": "Anyone"}
    content = {"list": ["x" * 100] * 400, "text": "y" * 40_000, **small}
    made = row(sample_of("permission.anonymous_link_created", content=compact_json(content)))
    assert made["ContentShortened"] is True
    assert list(made["Content"]) in (["text", *small], ["list", *small])
    assert made["Subject"] == small["siteUrl"]


def test_a_text_is_there_as_far_as_it_fits_with_a_mark() -> None:
    for letter in ("x", "é", '"', "\u0000", "𝄞"):
        text = content_of(sample_of("custom.x", content=compact_json({"a": 1, "long": letter * 40_000, "b": 2})))
        assert MOST_FIELD_BYTES - 10 <= len(text.encode()) <= MOST_FIELD_BYTES, letter
        kept = json.loads(text)
        assert list(kept) == ["a", "long", "b"]
        assert set(kept["long"]) == {letter, "…"}


def test_where_no_name_fits_nothing_is_left() -> None:
    event = sample_of("custom.x", content=compact_json({"n" * 31_995: "text", "m" * 40_000: 1}))
    assert (row(event)["Content"], row(event)["ContentShortened"]) == ({}, True)


def test_other_values_are_cut_too() -> None:
    made = row(sample_of(f"custom.{'t' * 40_000}", tenant=Tenant(id="i" * 40_000, display_name="é" * 20_000)))
    for name in ("EventType", "SourceTenantId", "SourceTenantName"):
        assert made[name].endswith("…")
        assert MOST_FIELD_BYTES - 3 <= len(made[name].encode()) <= MOST_FIELD_BYTES


def test_titles_and_subjects_are_for_people_and_hide_nothing() -> None:
    made = row(sample_of("custom.a\u202eb", content=compact_json({"name": "pay\u200broll\nfile"})))
    assert (made["EventTitle"], made["Subject"]) == ("Ab", "payroll file")


def test_bodies_are_joined_in_their_order() -> None:
    made = [make("sentinel", sample_of(name))[1] for name in CATALOGUE]
    together = joined(made)
    assert json.loads(together) == [json.loads(body)[0] for body in made]
    assert len(together) == sum(map(len, made)) - (len(made) - 1)
    assert joined(made[:1]) == made[0]
    assert joined([]) == b"[]"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(events, min_size=1, max_size=4))
def test_any_rows_can_be_joined(several: list[Event]) -> None:
    made = [make("sentinel", event)[1] for event in several]
    assert json.loads(joined(made)) == [json.loads(body)[0] for body in made]


def test_the_largest_row_fits_a_call() -> None:
    texts = {"id": "\u0001" * 40_000, "display_name": "\u0001" * 40_000, "microsoft_tenant_id": "\u0001" * 40_000}
    content = compact_json({"name": "\u0001" * 200_000})
    event = sample_of(f"custom.{'x' * 40_000}", content=content, tenant=Tenant(**texts), key="k" * 128)
    assert len(make("sentinel", event)[1]) < MOST_BYTES
