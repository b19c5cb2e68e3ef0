"""How an event reads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.format_events import NESTED, compact_json, sample_of
from doubles.samples import an_event
from shared.formats.summary import MOST_FACTS, Fact, size_text, summarise, time_text
from shared.model.catalogue import CATALOGUE


def facts(name: str, content: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fact.label, fact.value) for fact in summarise(sample_of(name, content=compact_json(content))).facts]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_type_has_its_title_its_subject_and_a_fact_for_each_field(name: str) -> None:
    known = CATALOGUE[name]
    summary = summarise(sample_of(name))
    assert summary.headline.startswith(f"{known.title}: ")
    assert summary.subject in known.sample.values()
    assert len(summary.facts) == len(known.sample)
    assert [fact.label for fact in summary.about] == ["Severity", "Tenant", "Time", "Event type", "Event key"]


def test_sizes_have_units_and_percents_a_sign() -> None:
    assert facts("storage.threshold_exceeded", CATALOGUE["storage.threshold_exceeded"].sample) == [
        ("Site URL", "https://contoso.sharepoint.com/sites/hr"),
        ("Quota", "25 TiB"),
        ("Threshold", "90 %"),
        ("Current usage", "23.5 TiB (94 % of the quota)"),
    ]
    by_bytes = {"siteUrl": "https://x", "currentUsage": 512, "quota": 0, "thresholdBytes": 5 * 1024**3}
    assert facts("storage.threshold_exceeded", by_bytes)[1:] == [
        ("Current usage", "512 bytes"),
        ("Quota", "0 bytes"),
        ("Threshold", "5 GiB"),
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1024**3, "1 GiB"),
        (1024**4 * 25, "25 TiB"),
        (1024**6, "1 EiB"),
        (1024**7, "1024 EiB"),
    ],
)
def test_bytes_are_read_in_the_largest_unit_that_is_whole(count: int, text: str) -> None:
    assert size_text(count) == text


@given(st.integers(min_value=0, max_value=10**309))
def test_any_number_of_bytes_is_read_with_less_than_a_tenth_lost(count: int) -> None:
    number, unit = size_text(count).split()
    power = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB").index(unit)
    whole, _, tenth = number.partition(".")
    assert abs(10 * count - (10 * int(whole) + int(tenth or 0)) * 1024**power) * 2 <= 1024**power


def test_nested_content_of_ones_own_type_is_a_list_of_facts() -> None:
    assert facts("custom.guest_invited", NESTED) == [
        ("Guest", "partner@fabrikam.com"),
        ("Invited by › Display name", "Adele Vance"),
        ("Invited by › UPN", "adele@contoso.com"),
        ("Groups", "Finance, HR"),
        ("Reviews 1 › Reviewer", "Megan"),
        ("Reviews 1 › Approved", "yes"),
        ("Reviews 2 › Reviewer", "Isaiah"),
        ("Reviews 2 › Approved", "no"),
        ("Limit GB", "1.5"),
        ("Comment", "First line\nSecond line"),
        ("Link", "https://contoso.sharepoint.com/sites/finance?view=1&sort=name"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("custom.guest_invited", {}, "Guest invited"),
        ("custom.guest_invited", {"name": "Adele"}, "Guest invited: Adele"),
        ("custom.hr.newStarter", {"siteUrl": "https://x"}, "Hr: New starter: https://x"),
        ("custom.\u0007", {}, "Event"),
        ("custom...", {}, "Event"),
        ("custom.Gäste kommen", {"title": "a\r\nb"}, "Gäste kommen: a b"),
    ],
)
def test_a_type_of_ones_own_is_titled_by_its_name(name: str, content: dict[str, Any], expected: str) -> None:
    assert summarise(sample_of(name, content=compact_json(content))).headline == expected


def test_numbers_read_as_they_were_written() -> None:
    event = sample_of("custom.x", content='{"price":1.10,"much":1e3,"list":[1.50,2]}')
    assert [fact.value for fact in summarise(event).facts] == ["1.10", "1e3", "1.50, 2"]


def test_what_is_empty_is_no_fact() -> None:
    assert facts("custom.x", {"a": None, "b": "", "c": [], "d": {}, "e": " \n", "f": [None, ""], "g": 0}) == [
        ("G", "0")
    ]


def test_many_facts_end_with_the_way_to_the_whole_event() -> None:
    found = facts("custom.x", {f"n{number}": number for number in range(MOST_FACTS + 1)})
    assert len(found) == MOST_FACTS + 1
    assert Fact(*found[-1]) == Fact("…", "There is more in this event: GET /v1.0/events/hr-90-7")


@pytest.mark.parametrize(
    ("time_stamp", "text"),
    [
        ("2023-10-05T14:48:00", "2023-10-05 14:48:00 UTC"),
        ("2026-11-22T10:00+05:30", "2026-11-22 04:30:00 UTC"),
        ("2026-11-22T10:00:00.987654321Z", "2026-11-22 10:00:00 UTC"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_times_are_told_in_utc(time_stamp: str, text: str) -> None:
    assert time_text(time_stamp) == text


def test_an_event_without_a_tenant_names_none() -> None:
    summary = summarise(sample_of("custom.x", tenant=None))
    assert [fact.label for fact in summary.about] == ["Severity", "Time", "Event type", "Event key"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [("1073741824.0", "1 GiB"), ("1.073741824e9", "1 GiB"), ("5.0", "5 bytes"), ("1e400", None), ("5.5", None)],
)
def test_a_whole_number_of_bytes_may_be_written_as_a_float(written: str, shown: str | None) -> None:
    content = f'{{"siteUrl": "https://x", "currentUsage": 1, "quota": 1, "thresholdBytes": {written}}}'
    event = an_event().model_copy(update={"type": "storage.threshold_exceeded", "content": content})
    expected = ("Threshold bytes", written) if shown is None else ("Threshold", shown)
    assert expected in [(fact.label, fact.value) for fact in summarise(event).facts]
