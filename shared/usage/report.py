"""Site usage read from Microsoft 365's report, a CSV text of any length. Pure: memory grows with what is kept."""

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from shared.model.thresholds import Near
from shared.usage.records import Records

CONCEALED_ID = "00000000-0000-0000-0000-000000000000"
"""What the report shows as every site's id while the tenant conceals names in its reports."""

_ID, _URL, _DELETED = "Site Id", "Site URL", "Is Deleted"
_USED, _QUOTA, _REFRESHED = "Storage Used (Byte)", "Storage Allocated (Byte)", "Report Refresh Date"
_COLUMNS = (_ID, _URL, _DELETED, _USED, _QUOTA, _REFRESHED)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WEB_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[^\x00-\x1f]*)?", re.IGNORECASE)


class ReportUnreadable(Exception):
    """The usage report is not what it should be; the text says how it differs and quotes no row."""


class SiteUsage(NamedTuple):
    """What the report says of a site. `url` is empty where the report leaves it out."""

    id: str
    url: str
    used_bytes: int
    quota_bytes: int

    @property
    def percent(self) -> float:
        """Of the quota; 0 where the quota is not known."""
        return self.used_bytes / self.quota_bytes * 100 if self.quota_bytes > 0 else 0.0


@dataclass
class Report:
    """What a pass over the report found. `kept` by site id; `present` are the watched sites that are there, `unknown`
    counts rows whose storage cannot be read, `damaged` those that took others for their own (records.py), `concealed`
    rows without a site's id."""

    kept: dict[str, SiteUsage] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    sites: int = 0
    deleted: int = 0
    unknown: int = 0
    damaged: int = 0
    concealed: int = 0
    refreshed_on: date | None = None

    @property
    def names_are_concealed(self) -> bool:
        """The tenant conceals names for all sites or for none; a lone row without an id is some fault of its own."""
        return self.concealed * 2 > self.sites


def read_report(text: Iterable[str], near: Near, watched: Collection[str]) -> Report:
    """Keeps the rows near a limit and those of the watched sites. `text` yields lines with their line ends
    (`newline=""`). Raises ReportUnreadable."""
    records = Records(text)
    try:
        report = _read(iter(records), near, watched)
    except UnicodeDecodeError:
        raise ReportUnreadable("the usage report is not in UTF-8") from None
    report.damaged = records.damaged
    return report


def _read(rows: Iterator[list[str]], near: Near, watched: Collection[str]) -> Report:
    header = [name.strip().lstrip("\ufeff").casefold() for name in next(rows, [])]
    columns = [_column(header, name) for name in _COLUMNS]
    first = next(rows, [])
    rows = itertools.chain([first], rows) if first else rows
    report, width = Report(refreshed_on=_date(first, columns[-1])), len(header)
    for row in _worth_a_look(rows, report, columns, near, watched):
        if len(row) != width:  # a name with a bare comma shifts what follows: never guess
            report.unknown += 1
            continue
        _take(report, [row[at].strip() for at in columns], near, watched)
    if report.sites == 0:
        raise ReportUnreadable("the usage report holds no sites")
    return report


def _worth_a_look(
    rows: Iterator[list[str]], report: Report, columns: Sequence[int], near: Near, watched: Collection[str]
) -> Iterator[list[str]]:
    """The rows that are not plainly far from every limit. A tenant may have a million others, and each operation here
    is done for every one of them: whatever is unusual is left to the reader of the few."""
    id_at, _, deleted_at, used_at, quota_at, _ = columns
    share, size_bytes = near
    looked_for = {CONCEALED_ID, *watched, *(each.upper() for each in watched)}
    count = 0
    for row in rows:
        count += 1
        try:
            used_bytes = int(row[used_at])
            if (
                -1 < used_bytes < int(row[quota_at]) * share
                and used_bytes < size_bytes
                and row[deleted_at] == "False"
                and row[id_at] not in looked_for
            ):
                continue
        except (ValueError, IndexError):
            if not row:  # an empty line
                count -= 1
                continue
        yield row
    report.sites = count


def _take(report: Report, cells: Sequence[str], near: Near, watched: Collection[str]) -> None:
    """Counts a row or keeps it. Of two rows of one site the fuller counts, so that their order does not matter."""
    site_id, url, deleted, used, quota, _ = cells
    site_id = site_id.lower()
    if site_id == CONCEALED_ID:
        report.concealed += 1
    elif deleted.lower() == "true":
        report.deleted += 1
    elif not _GUID.fullmatch(site_id):
        report.unknown += 1
    else:
        if site_id in watched:
            report.present.add(site_id)
        if not (_is_number(used) and _is_number(quota)):
            report.unknown += 1
            return
        site = SiteUsage(site_id, url if _WEB_ADDRESS.fullmatch(url) else "", int(used), int(quota))
        before = report.kept.get(site_id)
        if near.holds(site.used_bytes, site.quota_bytes) or site_id in watched:
            report.kept[site_id] = site if before is None else max(site, before, key=_fullest)


def _fullest(site: SiteUsage) -> tuple[int, int, str]:
    return site.used_bytes, -site.quota_bytes, site.url


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _column(header: Sequence[str], name: str) -> int:
    try:
        return header.index(name.casefold())
    except ValueError:
        raise ReportUnreadable(
            f"the usage report has no column {name!r}: if Microsoft changed it, a newer version of this app is needed"
        ) from None


def _date(row: Sequence[str], at: int) -> date | None:
    """Every row says the same."""
    try:
        return date.fromisoformat(row[at].strip())
    except (IndexError, ValueError):
        return None
