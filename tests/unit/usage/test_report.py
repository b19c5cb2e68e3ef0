"""The usage report: every fault it is known to have, and how little of it is kept."""

import csv
import io
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.memory import traced_peak
from doubles.simulated_tenant import HEADER, QUOTA, a_row, site_id, site_url
from shared.model.thresholds import Thresholds, read_thresholds
from shared.usage.report import CONCEALED_ID, Report, ReportUnreadable, SiteUsage, read_report

NEAR = Thresholds(default=read_thresholds("75:medium,90:high")).near(2)


def reading(*rows: str, header: str = HEADER, watched: set[str] | None = None, ends: str = "\r\n") -> Report:
    text = "".join(line + ends for line in [header, *rows])
    return read_report(io.StringIO(text, newline=""), NEAR, watched or set())


def usage(number: int, percent: float, url: str | None = None) -> SiteUsage:
    return SiteUsage(site_id(number), site_url(number) if url is None else url, round(QUOTA * percent / 100), QUOTA)


def test_rows_near_a_limit_are_kept_and_the_others_counted() -> None:
    report = reading(a_row(1, 10), a_row(2, 69.9), a_row(3, 70), a_row(4, 95), a_row(5, 130))
    assert report.kept == {site_id(3): usage(3, 70), site_id(4): usage(4, 95), site_id(5): usage(5, 130)}
    assert (report.sites, report.deleted, report.unknown, report.concealed) == (5, 0, 0, 0)
    assert str(report.refreshed_on) == "2026-11-17"


def test_a_watched_site_is_kept_however_little_it_uses() -> None:
    report = reading(a_row(1, 10), a_row(2, 10), a_row(3, None), watched={site_id(1), site_id(3), site_id(4)})
    assert report.kept == {site_id(1): usage(1, 10)}
    assert report.present == {site_id(1), site_id(3)}, "what it uses may be unknown, but it is there"
    assert report.unknown == 1


def owned(number: int, owner: str, percent: float = 95) -> str:
    return a_row(number, percent).replace("Owners", owner)


@pytest.mark.parametrize(
    "later", [[], [owned(9, '"Al"')], [owned(9, 'Al"')], [owned(9, 'Al "Big"')], [owned(9, '"Bo')]]
)
def test_a_name_that_begins_with_a_bare_quote_hides_no_site(later: list[str]) -> None:
    report = reading(owned(1, '"Bob'), a_row(2, 95), a_row(3, 96), *later, a_row(4, 97))
    assert report.kept.keys() == {site_id(each) for each in (1, 2, 3, 4, *([9] if later else []))}
    assert report.kept[site_id(1)] == usage(1, 95), "with its own figures"
    assert (report.unknown, report.damaged) == (0, 0)


def test_no_length_of_what_follows_a_bare_quote_fails_the_scan() -> None:
    others = [a_row(number, 95) for number in range(2, 1500)]
    assert len("".join(others)) > csv.field_size_limit()
    report = reading(owned(1, '"Bob'), *others, owned(0, '"Eve'))
    assert len(report.kept) == report.sites == 1500


def test_a_row_that_cannot_be_told_costs_itself_alone() -> None:
    long = owned(5, '"' + "secret" * 50_000)
    report = reading(a_row(1, 95), owned(2, '"Bob, of HR'), a_row(3, 95), long, a_row(4, 95))
    assert report.kept.keys() == {site_id(1), site_id(3), site_id(4)}
    assert (report.sites, report.unknown, report.damaged) == (5, 2, 2)


def test_a_name_with_a_row_in_it_gives_no_site_the_figures_of_another() -> None:
    text = owned(1, '"Bob\r\n' + a_row(2, 10).replace("Owners", "Eve, of HR") + '"', 96)
    report = reading(text, a_row(3, 95))
    assert report.kept == {site_id(3): usage(3, 95)}


@given(st.lists(st.text(st.sampled_from("ab'\" é;"), min_size=1, max_size=4), min_size=1, max_size=6))
def test_no_names_without_commas_keep_a_site_from_being_read(names: list[str]) -> None:
    report = reading(*(owned(number, name, 90 + number) for number, name in enumerate(names)))
    assert report.kept == {site_id(number): usage(number, 90 + number) for number in range(len(names))}


def test_ids_are_one_in_any_case() -> None:
    shouted = a_row(10, 10).replace(site_id(10), site_id(10).upper())
    assert reading(shouted, watched={site_id(10)}).kept == {site_id(10): usage(10, 10)}


@pytest.mark.parametrize(
    "row",
    [
        a_row(1, None),
        a_row(1, 95, used="much"),
        a_row(1, 95, used="-5"),
        a_row(1, 95, used="1e12"),
        a_row(1, 95, used="9" * 30),
        a_row(1, 95, quota=""),
        a_row(1, 95, quota="-1"),
        a_row(1, 95, id="not-a-guid"),
        a_row(1, 95, id=""),
        a_row(1, 95).replace("Owners", "Owners, of HR"),
        a_row(1, 95).rpartition(",")[0],
        "2026-11-17",
    ],
    ids=[
        *("empty", "word", "negative", "float", "absurd", "no-quota", "negative-quota", "no-guid", "no-id"),
        *("a-comma-more", "a-column-less", "cut-off"),
    ],
)
def test_what_cannot_be_read_is_unknown_and_never_zero(row: str) -> None:
    report = reading(row, a_row(2, 95))
    assert report.kept == {site_id(2): usage(2, 95)}
    assert (report.sites, report.unknown) == (2, 1)


@pytest.mark.parametrize("deleted", ["True", "true", "TRUE"])
def test_deleted_sites_are_passed_over(deleted: str) -> None:
    report = reading(a_row(1, 95).replace("False", deleted), a_row(2, 95), watched={site_id(1)})
    assert [*report.kept] == [site_id(2)]
    assert report.deleted == 1
    assert report.present == set()


def test_columns_are_found_by_name_in_any_order_and_others_do_not_matter() -> None:
    def turned(line: str) -> str:
        return ",".join(["new", *reversed(line.split(","))])

    assert reading(*map(turned, [a_row(1, 95)]), header=turned(HEADER)).kept == {site_id(1): usage(1, 95)}
    assert reading(a_row(1, 95), header=HEADER.upper().replace(",", " , ")).kept == {site_id(1): usage(1, 95)}


@pytest.mark.parametrize(
    "name", ["Site Id", "Site URL", "Is Deleted", "Storage Used (Byte)", "Storage Allocated (Byte)"]
)
def test_a_column_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(ReportUnreadable, match=name.replace("(", r"\(").replace(")", r"\)")):
        reading(a_row(1, 95), header=HEADER.replace(name, "Something"))


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\r\n\r\n", "<!DOCTYPE html><title>Sign in</title>", "\x00"])
def test_a_report_without_sites_is_no_report(text: str) -> None:
    with pytest.raises(ReportUnreadable):
        read_report(io.StringIO(text, newline=""), NEAR, set())


def test_what_is_not_utf8_is_said_without_quoting_it() -> None:
    data = io.BytesIO(f"{HEADER}\r\n{a_row(1, 95)}\r\n".encode() + b"\xff\xfe" * 10)
    with pytest.raises(ReportUnreadable, match="UTF-8"):
        read_report(io.TextIOWrapper(data, encoding="utf-8-sig", newline=""), NEAR, set())


def test_byte_order_marks_line_ends_quotes_and_blank_lines_do_not_matter() -> None:
    expected = {site_id(1): usage(1, 95), site_id(2): usage(2, 95)}
    quoted = a_row(2, 95).replace("Owners", '"Owners, of ""HR""\nand more"')
    assert reading(a_row(1, 95), "", quoted, "", header="\ufeff" + HEADER, ends="\n").kept == expected
    assert reading(a_row(1, 95), "", quoted, "").sites == 2


@pytest.mark.parametrize("url", ["", "C1A164C0350880475C1B166E3DDE9C1C", "javascript:x", "https://", "https://[x"])
def test_what_is_no_url_counts_as_left_out(url: str) -> None:
    assert reading(a_row(1, 95, url=url)).kept == {site_id(1): usage(1, 95, "")}


def test_concealed_names_are_found_out() -> None:
    concealed = [a_row(number, 95, id=CONCEALED_ID, url="39C4879F5AD59456931EDCA34704D333") for number in range(5)]
    report = reading(*concealed)
    assert report.names_are_concealed
    assert report.kept == {}
    alone = reading(concealed[0], a_row(7, 95), a_row(8, 95))
    assert not alone.names_are_concealed
    assert [*alone.kept] == [site_id(7), site_id(8)]


def test_of_two_rows_of_one_site_the_fuller_counts_in_any_order() -> None:
    rows = [a_row(1, 80), a_row(1, 95), a_row(1, 90, deleted=True), a_row(1, None)]
    for _ in range(len(rows)):
        rows.append(rows.pop(0))
        assert reading(*rows).kept == {site_id(1): usage(1, 95)}


def many(count: int) -> Iterator[str]:
    yield HEADER + "\r\n"
    for number in range(count):
        yield a_row(number, 95 if number % 1000 == 0 else 1) + "\r\n"


def read_many(count: int) -> None:
    assert read_report(many(count), NEAR, set()).sites == count


def test_memory_grows_with_what_is_kept_and_not_with_the_report() -> None:
    grown = traced_peak(read_many, 20_000) - traced_peak(read_many, 2_000)
    assert grown < 20 * 4096, "20 sites are kept instead of 2"


@pytest.mark.alone
def test_a_pass_takes_at_most_twice_as_long_as_the_csv_reader_alone() -> None:
    lines = [*many(50_000)]

    def best(run: object) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            run()  # type: ignore[operator]
            times.append(time.process_time() - started)
        return min(times)

    bare = best(lambda: [None for _ in csv.reader(lines)])
    assert best(lambda: read_report(lines, NEAR, set())) <= 2 * bare
