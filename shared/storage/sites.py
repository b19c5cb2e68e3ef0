"""Table `sites`: how each site that matters stands with its thresholds, and in a few rows of their own what a scan
must know of the one before it.

A site that has crossed nothing has no row, so the table grows with crossings and not with sites.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, TypeVar

from azure.data.tables import TableEntity
from pydantic import Field

from shared.model import Event, Stored
from shared.model.thresholds import Standing, Thresholds
from shared.storage import chunks
from shared.storage.clients import Services, Written
from shared.storage.rows import RowFormat, Versioned, etag_of

_SITES, _SCAN = "sites", "scan"
_STATE, _LISTING, _THRESHOLDS = "state", "listing", "thresholds"
_URLS = "urls-"
_STORED_NAMES = {"resume_at": "walk_from"}
_NOT_LISTED, _NOT_YET_MET = "", "-"
"""In a row, instead of a URL."""
_LARGEST_BYTES = 700_000
"""The most in one entity, which may have 1 MiB; Azurite counts bytes as base64."""


class SiteRow(Stored):
    """A site that has crossed a threshold. `counter` numbers its crossings, beginning with the time of the first, so
    that a row which was forgotten and made anew does not number alike. `pending` are the events of the newest crossing
    until they are known to be published."""

    url: str
    counter: int
    standing: Standing = Standing()
    pending: tuple[Event, ...] = ()
    crossed_at: datetime
    missing_since: datetime | None = None


class ListedSite(Stored):
    """A line of the list of sites nearest their limit. `threshold` is the highest one passed, as the API writes it."""

    id: str
    url: str
    used_bytes: int
    quota_bytes: int
    percent: float
    threshold: int | float | str | None = None
    changed_at: datetime


class Listing(Stored):
    value: tuple[ListedSite, ...] = ()


class _UrlsRow(Stored):
    urls: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class KnownUrls:
    """What is known of sites that the report names by id alone: URLs by id; ids that the list of all sites did not
    have; and ids that a look at the list which is not at its end has not met."""

    urls: Mapping[str, str] = field(default_factory=dict)
    not_listed: frozenset[str] = frozenset()
    not_yet_met: frozenset[str] = frozenset()

    def settles(self, site_id: str) -> bool:
        """Whether another look at the list would say no more of this id."""
        return site_id in self.urls or site_id in self.not_listed


class ScanState(Stored):
    """What is to be told of the scans: how the newest ones went, and what is odd about the report. `listed_at` is when
    the list of all sites was last read to its end; `resume_at` is where a look at it goes on that was cut off."""

    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    names_concealed: bool = False
    report_date: date | None = None
    listed_at: datetime | None = None
    resume_at: Annotated[str, Field(max_length=8192)] | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the newest scan did."""
        failure, success = self.last_failure_at, self.last_success_at
        return failure is not None and (success is None or failure > success)


D = TypeVar("D", bound=Stored)


class Sites:
    """Rows of sites are changed on condition that nobody else has; the rows of the scan are written over."""

    def __init__(self, services: Services) -> None:
        self._table = services.table("sites")

    def all(self) -> dict[str, Versioned[SiteRow]]:
        """By site id."""
        found = self._table.query("PartitionKey eq @partition", {"partition": _SITES})
        return {entity["RowKey"]: _site(entity) for entity in found}

    def get(self, site_id: str) -> Versioned[SiteRow] | None:
        entity = self._table.get(_SITES, site_id)
        return None if entity is None else _site(entity)

    def insert(self, site_id: str, row: SiteRow) -> Written:
        """CONFLICT where there is one already."""
        return self._insisting(lambda: self._table.insert(_entity(_SITES, site_id, row)))

    def replace(self, site_id: str, row: SiteRow, etag: str) -> Written:
        """CONFLICT where somebody else changed or removed it meanwhile."""
        return self._table.replace(_entity(_SITES, site_id, row), etag)

    def remove(self, site_id: str, etag: str) -> Written:
        """CONFLICT where somebody else changed it meanwhile."""
        return self._table.remove(_SITES, site_id, etag)

    def state(self) -> ScanState:
        return self._read(_STATE, ScanState) or ScanState()

    def write_state(self, state: ScanState) -> None:
        self._write(_STATE, state)

    def listing(self) -> Listing:
        return self._read(_LISTING, Listing) or Listing()

    def write_listing(self, listing: Listing) -> None:
        """Drops the last lines of a list that no entity can hold."""
        while len(listing.model_dump_json().encode()) > _LARGEST_BYTES:
            listing = Listing(value=listing.value[: len(listing.value) * 9 // 10])
        self._write(_LISTING, listing)

    def thresholds(self) -> Thresholds | None:
        """None until some were put."""
        return self._read(_THRESHOLDS, Thresholds)

    def thresholds_row(self) -> Versioned[Thresholds] | None:
        """As stored now; None until some were put."""
        entity = self._table.get(_SCAN, _THRESHOLDS)
        if entity is None:
            return None
        stored = RowFormat(Thresholds, _STORED_NAMES).load(chunks.join("Row", entity))
        return Versioned(stored, etag_of(entity))

    def write_thresholds(self, thresholds: Thresholds) -> None:
        self._write(_THRESHOLDS, thresholds)

    def replace_thresholds(self, thresholds: Thresholds, stored: Versioned[Thresholds] | None) -> Written:
        """CONFLICT where they are not what was read (None: that there were none)."""
        entity = _entity(_SCAN, _THRESHOLDS, thresholds)
        if stored is None:
            return self._insisting(lambda: self._table.insert(entity))
        return self._table.replace(entity, stored.etag)

    def known_urls(self) -> KnownUrls:
        """What earlier scans have found out."""
        found: dict[str, str] = {}
        condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end"
        for entity in self._table.query(condition, {"partition": _SCAN, "first": _URLS, "end": _URLS + "~"}):
            found |= _UrlsRow.model_validate_json(chunks.join("Row", entity)).urls
        return KnownUrls(
            {site_id: text for site_id, text in found.items() if text not in (_NOT_LISTED, _NOT_YET_MET)},
            frozenset(site_id for site_id, text in found.items() if text == _NOT_LISTED),
            frozenset(site_id for site_id, text in found.items() if text == _NOT_YET_MET),
        )

    def write_known_urls(self, before: KnownUrls, after: KnownUrls) -> None:
        """One row for each first letter of an id; only those that differ are written. What no row can hold is looked up
        again when it is needed."""
        old_texts, new_texts = _url_texts(before), _url_texts(after)
        for letter in sorted({site_id[:1] for site_id in (*old_texts, *new_texts)}):
            old, new = (
                {key: texts[key] for key in sorted(texts) if key[:1] == letter} for texts in (old_texts, new_texts)
            )
            if old != new:
                kept = _UrlsRow(urls=new)
                while len(kept.model_dump_json().encode()) > _LARGEST_BYTES:
                    kept = _UrlsRow(urls=dict(list(kept.urls.items())[: len(kept.urls) * 9 // 10]))
                self._write(_URLS + letter, kept)

    def _read(self, name: str, kind: type[D]) -> D | None:
        entity = self._table.get(_SCAN, name)
        return None if entity is None else RowFormat(kind, _STORED_NAMES).load(chunks.join("Row", entity))

    def _write(self, name: str, value: Stored) -> None:
        self._insisting(lambda: self._table.upsert(_entity(_SCAN, name, value)))

    def _insisting(self, write: Callable[[], Written]) -> Written:
        """Makes the table where it is missing."""
        while (written := write()) is Written.NO_TABLE:
            self._table.create()
        return written


def _url_texts(known: KnownUrls) -> dict[str, str]:
    """As rows hold them."""
    return {
        **known.urls,
        **dict.fromkeys(known.not_listed, _NOT_LISTED),
        **dict.fromkeys(known.not_yet_met, _NOT_YET_MET),
    }


def _site(entity: TableEntity) -> Versioned[SiteRow]:
    return Versioned(SiteRow.model_validate_json(chunks.join("Row", entity)), etag_of(entity))


def _entity(partition: str, row: str, value: Stored) -> dict[str, str | bytes]:
    stored = RowFormat(type(value), _STORED_NAMES).dump(value)
    return {"PartitionKey": partition, "RowKey": row, **chunks.split("Row", stored)}
