"""Thresholds: how they are written, which hold for a site, and what passing them means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.thresholds import (
    MOST_THRESHOLDS,
    Override,
    Standing,
    Threshold,
    Thresholds,
    compare,
    read_threshold,
    read_thresholds,
)

TOLD_IN = "docs/api.md#storage-thresholds"

GB = 2**30
QUOTA = 1000 * GB
DEFAULT = read_thresholds("75:medium,90:high,100:critical")


@pytest.mark.parametrize(
    ("written", "percent", "size_bytes"),
    [
        (90, 90, None),
        (87.5, 87.5, None),
        ("90", 90, None),
        ("90 %", 90, None),
        ("500GB", None, 500 * GB),
        ("1.5 tb", None, 1536 * GB),
        ("512MB", None, GB // 2),
        ("0.5MB", None, 2**19),
    ],
)
def test_a_threshold_is_a_percentage_or_a_size(written: Any, percent: float | None, size_bytes: int | None) -> None:
    found = read_threshold(written, "high")
    assert (found.percent, found.size_bytes) == (percent, size_bytes)
    assert read_threshold(found.written, "high") == found, "it can be read as the API writes it"


@pytest.mark.parametrize(
    "written",
    [
        *(0, -1, 100.1, 0.0001, float("nan"), float("inf"), 10**400, True, None, []),
        *("", "GB", "0GB", "-5GB", "500", "500KB", "5e3GB", "９０", "90:high", "1" * 400),
    ],
    ids=lambda written: repr(written)[:20],
)
def test_anything_else_says_how_to_write_it(written: Any) -> None:
    with pytest.raises(ValueError, match="such as 90, or a size such as 500GB"):
        read_threshold(written, "high")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("90", "with their severity"),
        ("90:severe", "with their severity"),
        (":high", "with their severity"),
        ("ninety:high", "such as 90"),
        ("90:high,90.0:low", "90 is there twice"),
        ("1GB:high,1024MB:low", "1GB is there twice"),
        (",".join(f"{number}:low" for number in range(1, MOST_THRESHOLDS + 2)), f"at most {MOST_THRESHOLDS}"),
    ],
)
def test_a_wrong_list_says_what_to_change(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_thresholds(text)


@given(st.floats(0.001, 100), st.integers(1, 10**15))
def test_what_the_api_writes_reads_as_the_same_threshold(percent: float, size_bytes: int) -> None:
    share = read_threshold(percent, "low")
    assert read_threshold(share.written, "low") == share
    assert "." not in share.name or share.name.replace(".", "").isdigit()
    whole = Threshold(size_bytes=size_bytes // 2**20 * 2**20 + 2**20, severity="low")
    assert read_threshold(whole.written, "low").size_bytes == whole.size_bytes


def test_the_first_override_that_matches_holds_and_an_empty_one_leaves_sites_alone() -> None:
    strict, loose = read_thresholds("50:high"), read_thresholds("95:low")
    hr = "https://contoso.sharepoint.com/sites/hr"
    thresholds = Thresholds(
        default=DEFAULT,
        sites=(
            Override(site=f"{hr}-archive", thresholds=()),
            Override(site=f"{hr}*", thresholds=strict),
            Override(site="*/sites/h?", thresholds=loose),
        ),
    )
    assert thresholds.of(f"{hr}-Archive/") == ()
    assert thresholds.of(hr) == strict
    assert thresholds.of("https://contoso.sharepoint.com/sites/hx") == loose
    assert thresholds.of("https://contoso.sharepoint.com") == DEFAULT


@pytest.mark.parametrize(
    ("text", "used_gb", "holds"),
    [
        ("75:low", 700, True),
        ("75:low", 699, False),
        ("75:low,90:low", 700, True),
        ("1:low", 8, True),
        ("1:low", 7, False),
        ("500GB:low", 475, True),
        ("500GB:low", 474, False),
        ("75:low,500GB:low", 475, True),
        ("", 1000, False),
    ],
)
def test_near_is_some_points_below_the_lowest_threshold(text: str, used_gb: int, holds: bool) -> None:
    near = Thresholds(default=read_thresholds(text)).near(hysteresis=2)
    assert near.holds(used_gb * GB, QUOTA) is holds
    assert not near.holds(10 * GB, 0), "a percentage of an unknown quota"


def standing_after(
    *usage: float, thresholds: tuple[Threshold, ...] = DEFAULT
) -> tuple[Standing, list[tuple[str, Any]]]:
    standing = Standing()
    told: list[tuple[str, Any]] = []
    for percent in usage:
        standing, crossings = compare(standing, round(QUOTA * percent / 100), QUOTA, thresholds, 2)
        told += [(crossing.direction, crossing.threshold.written) for crossing in crossings]
    return standing, told


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ([74.9], []),
        ([75], [("exceeded", 75)]),
        ([100], [("exceeded", 100)]),
        ([80, 92], [("exceeded", 75), ("exceeded", 90)]),
        ([92, 80, 60], [("exceeded", 90), ("recovered", 90)]),
        ([80, 92, 60], [("exceeded", 75), ("exceeded", 90), ("recovered", 75), ("recovered", 90)]),
        ([90, 88, 89.9, 90], [("exceeded", 90)]),
        ([90, 87.9, 90], [("exceeded", 90), ("recovered", 90), ("exceeded", 90)]),
        ([92, 60, 76], [("exceeded", 90), ("recovered", 90), ("exceeded", 75)]),
    ],
    ids=str,
)
def test_only_the_highest_is_told_and_all_that_were_told_are_called_off(usage: list[float], told: list[Any]) -> None:
    assert standing_after(*usage)[1] == told


def test_a_low_threshold_recovers_too() -> None:
    assert standing_after(1, 0.6, 0.4, thresholds=read_thresholds("1:low"))[1] == [("exceeded", 1), ("recovered", 1)]


def test_a_size_has_a_hysteresis_of_so_many_percent_of_itself() -> None:
    told = standing_after(50, 49.1, 48.9, thresholds=read_thresholds("500GB:high"))[1]
    assert told == [("exceeded", "500GB"), ("recovered", "500GB")]


def test_of_a_size_and_a_percentage_the_higher_in_bytes_is_told() -> None:
    both = read_thresholds("90:high,500GB:low,950GB:critical")
    assert standing_after(92, thresholds=both)[1] == [("exceeded", 90)]
    assert standing_after(96, thresholds=both)[1] == [("exceeded", "950GB")]
    assert standing_after(50, thresholds=read_thresholds("50:low,500GB:high"))[1] == [("exceeded", "500GB")]


def test_a_threshold_that_is_configured_no_more_is_forgotten_silently() -> None:
    standing, _ = standing_after(92)
    assert compare(standing, 0, QUOTA, (), 2) == (Standing(), [])
    lower = read_thresholds("85:low,90:high")
    after, crossings = compare(standing, round(QUOTA * 0.92), QUOTA, lower, 2)
    assert (after.passed, crossings) == (("85", "90"), []), "a new one below what was told is no news"


def test_another_severity_is_the_same_threshold() -> None:
    standing, _ = standing_after(92)
    assert compare(standing, round(QUOTA * 0.92), QUOTA, read_thresholds("75:low,90:low,100:low"), 2) == (standing, [])


def test_without_a_quota_percentages_stay_as_they_are_and_sizes_count() -> None:
    standing, _ = standing_after(92)
    assert compare(standing, 0, 0, DEFAULT, 2) == (standing, [])
    _, crossings = compare(standing, 600 * GB, 0, (*DEFAULT, *read_thresholds("500GB:low")), 2)
    assert [each.threshold.written for each in crossings] == ["500GB"]


def test_a_larger_quota_recovers_a_site() -> None:
    standing, _ = standing_after(92)
    _, crossings = compare(standing, round(QUOTA * 0.92), 2 * QUOTA, DEFAULT, 2)
    assert [(each.direction, each.threshold.written) for each in crossings] == [("recovered", 90)]
