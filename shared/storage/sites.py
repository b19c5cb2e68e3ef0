"""Table `sites`: how each site that matters stands with its thresholds, and in a few rows of their own what a scan
must know of the one before it.

A site that has crossed nothing has no row, so the table grows with crossings and not with sites.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, NamedTuple, TypeVar

from pydantic import Field

from shared.model import Event, Stored
from shared.model.thresholds import Standing, Thresholds
from shared.storage import chunks
from shared.storage.clients import Services, Written

_SITES, _SCAN = "sites", "scan"
_STATE, _LISTING, _THRESHOLDS = "state", "listing", "thresholds"
_URLS = "urls-"
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


class StoredSite(NamedTuple):
    id: str
    row: SiteRow
    etag: str


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


class JoinedUrls(Stored):
    """URLs of sites that the report names by id alone, an empty one where Graph's list does not have the site."""

    urls: dict[str, str] = Field(default_factory=dict)


class ScanState(Stored):
    """What is to be told of the scans: how the newest ones went, and what is odd about the report. `listed_at` is when
    the list of all sites was last walked to its end; `walk_from` is where a walk goes on that was cut off."""

    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    names_concealed: bool = False
    report_date: date | None = None
    listed_at: datetime | None = None
    walk_from: Annotated[str, Field(max_length=8192)] | None = None

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

    def all(self) -> Iterator[StoredSite]:
        for entity in self._table.query("PartitionKey eq @partition", {"partition": _SITES}):
            yield _site(entity, entity.metadata["etag"] or "")

    def get(self, identity: str) -> StoredSite | None:
        entity = self._table.get(_SITES, identity)
        return None if entity is None else _site(entity, entity.metadata["etag"] or "")

    def insert(self, identity: str, row: SiteRow) -> Written:
        """CONFLICT where there is one already."""
        return self._insisting(lambda: self._table.insert(_entity(_SITES, identity, row)))

    def replace(self, known: StoredSite, row: SiteRow) -> Written:
        """CONFLICT where somebody else changed or removed it meanwhile."""
        return self._table.replace(_entity(_SITES, known.id, row), known.etag)

    def forget(self, known: StoredSite) -> Written:
        """CONFLICT where somebody else changed it meanwhile."""
        return self._table.remove(_SITES, known.id, known.etag)

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

    def write_thresholds(self, thresholds: Thresholds) -> None:
        self._write(_THRESHOLDS, thresholds)

    def joined_urls(self) -> dict[str, str]:
        """URLs by site id, as joined by earlier scans."""
        found: dict[str, str] = {}
        condition = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end"
        for entity in self._table.query(condition, {"partition": _SCAN, "first": _URLS, "end": _URLS + "~"}):
            found |= JoinedUrls.model_validate_json(chunks.join("Row", entity)).urls
        return found

    def write_joined_urls(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """One row for each first letter of an id; only those that differ are written. What no row can hold is joined
        again when it is needed."""
        for letter in sorted({identity[:1] for identity in (*before, *after)}):
            old, new = ({key: urls[key] for key in sorted(urls) if key[:1] == letter} for urls in (before, after))
            if old != new:
                kept = JoinedUrls(urls=new)
                while len(kept.model_dump_json().encode()) > _LARGEST_BYTES:
                    kept = JoinedUrls(urls=dict(list(kept.urls.items())[: len(kept.urls) * 9 // 10]))
                self._write(_URLS + letter, kept)

    def _read(self, name: str, kind: type[D]) -> D | None:
        entity = self._table.get(_SCAN, name)
        return None if entity is None else kind.model_validate_json(chunks.join("Row", entity))

    def _write(self, name: str, value: Stored) -> None:
        self._insisting(lambda: self._table.upsert(_entity(_SCAN, name, value)))

    def _insisting(self, write: Callable[[], Written]) -> Written:
        """Makes the table where it is missing."""
        while (written := write()) is Written.NO_TABLE:
            self._table.create()
        return written


def _site(entity: Mapping[str, object], etag: str) -> StoredSite:
    return StoredSite(str(entity["RowKey"]), SiteRow.model_validate_json(chunks.join("Row", entity)), etag)


def _entity(partition: str, row: str, value: Stored) -> dict[str, str | bytes]:
    stored = value.model_dump_json(exclude_defaults=True).encode()
    return {"PartitionKey": partition, "RowKey": row, **chunks.split("Row", stored)}
